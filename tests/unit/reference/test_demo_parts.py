"""The parts of the demo that need no servers: lines, ports, queries, percentiles, the command line."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from reference.demo.__main__ import main
from reference.demo.lines import Lines
from reference.demo.ports import HOST, Ports, PortsTaken
from reference.demo.promise import percentile
from reference.demo.queries import dashboard_queries, forms
from reference.demo.watch import exemplars_of


def test_lines_are_read_once_and_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    lines = Lines(path, lambda line: line["n"])
    assert lines.update() == []
    path.write_text('{"n": 1}\n{"n"')
    assert lines.update() == [1]
    with path.open("a") as file:
        file.write(': 2}\nno json\n[3]\n{"n": 4}\n')
    assert lines.update() == [2, 4]
    assert lines.values == [1, 2, 4]


def test_all_taken_ports_are_named() -> None:
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind((HOST, 0))
            each.listen()
        first, second = one.getsockname()[1], two.getsockname()[1]
        free = dict.fromkeys(Ports.__dataclass_fields__, 0)
        ports = Ports(**free | {"exporter": first, "bank_direct": second})
        with pytest.raises(PortsTaken) as caught:
            ports.check()
    assert f"{first} (exporter: " in str(caught.value)
    assert f"{second} (bank direct: " in str(caught.value)
    assert str(caught.value).count("(") == 2


def test_ports_from_a_base_are_all_different() -> None:
    ports = Ports.from_base(20_000)
    numbers = {getattr(ports, name) for name in Ports.__dataclass_fields__}
    assert numbers == set(range(20_000, 20_000 + len(Ports.__dataclass_fields__)))


@pytest.mark.parametrize("base", [0, -1, 65_530])
def test_a_port_base_without_room_is_refused(base: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port-base", str(base)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("demo: the port base must be 1 to ")
    assert said.count("\n") == 1


def test_an_output_folder_that_cant_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ports, "check", lambda _: None)
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_variables_are_filled_in_as_grafana_does() -> None:
    variables = [
        {"name": "job", "type": "query", "includeAll": True},
        {"name": "k", "type": "constant", "query": "3"},
        {"name": "dependency", "type": "query"},
    ]
    dashboard = {"templating": {"list": variables}}
    expression = 'topk($k, rate(x{job=~"$job",dependency=~"${dependency:regex}"}[$__rate_interval]))'
    assert forms(expression, dashboard, ["a", "b"]) == (
        'topk(3, rate(x{job=~".+",dependency=~"a"}[4s]))',
        'topk(3, rate(x{job=~".+",dependency=~"b"}[4s]))',
    )
    assert forms("up", dashboard, ["a", "b"]) == ("up",)


def test_a_variable_that_nobody_declares_stays() -> None:
    assert forms("x{a=~'$b'}", {}, ["c"]) == ("x{a=~'$b'}",)


def test_all_that_a_dashboard_asks_for_is_found(tmp_path: Path) -> None:
    twice = [{"expr": f"x{n}", "refId": letter, "legendFormat": "same"} for n, letter in enumerate("AB")]
    renamed = {"options": {"renameByName": {"Value #B": "Second"}}}
    inner = {"title": "t", "targets": [{"expr": "b", "refId": "A", "legendFormat": "__auto"}, {"expr": ""}]}
    dashboard = {
        "panels": [
            {"type": "row", "title": "Now", "panels": []},
            {"title": "t", "targets": [{"expr": "a", "legendFormat": "{{x}}"}]},
            {"type": "row", "title": "Later", "panels": [inner]},
            {"title": "u", "targets": twice, "transformations": [renamed]},
        ],
        "annotations": {"list": [{"builtIn": 1, "name": "m"}, {"name": "n", "expr": "c"}]},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "label": "Data source"},
                {"name": "job", "type": "query", "label": "Job", "definition": "label_values(up, job)"},
                {"name": "x", "label": "X", "definition": 'label_values(up{job=~"$job"}, x)'},
            ]
        },
    }
    (tmp_path / "d.json").write_text(json.dumps(dashboard))
    found = dashboard_queries(tmp_path, [])
    assert [(*query.place, *query.texts, query.label) for query in found] == [
        ("d", "t (Now)", "{{x}}", "a", ""),
        ("d", "t (Later)", "A", "b", ""),
        ("d", "u", "A", "x0", ""),
        ("d", "u", "Second", "x1", ""),
        ("d", "annotation", "n", "c", ""),
        ("d", "variable", "Job", "up", "job"),
        ("d", "variable", "X", 'up{job=~".+"}', "x"),
    ]
    assert found[0].where == "d, t (Now), {{x}}"


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.99, 0.0), ([5.0], 0.99, 5.0), ([*range(1, 101)], 0.99, 99), ([3, 1, 2], 0.5, 2)],
)
def test_percentiles_by_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_exemplars_are_read_off_a_page() -> None:
    page = (
        'x_bucket{dependency="a \\"b\\"",le="0.1"} 3 # {trace_id="t1",correlation_id="c1"} 0.05 1.0\n'
        'y_total{dependency="a"} 3\n'
    )
    (exemplar,) = exemplars_of(page)
    assert exemplar.series == "x_bucket"
    assert exemplar.labels["le"] == "0.1"
    assert (exemplar.correlation_id, exemplar.ids["trace_id"]) == ("c1", "t1")
