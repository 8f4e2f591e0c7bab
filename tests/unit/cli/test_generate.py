"""`seawall generate`: what it writes, what it leaves alone, what `--check` says."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seawall.cli import bundle
from seawall.cli.main import main
from seawall.cli.problem import CliError
from seawall.exporter import ExporterServer, ExporterSettings, create_app
from seawall.resilience import Registry

GENERATE = ("generate", "--from", "shop:registry", "--out", "out")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_is_written_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(GENERATE) == 0
    found = tree(here / "out")
    assert {
        "alertmanager/alertmanager.yml",
        "alertmanager/templates/seawall.tmpl",
        "dashboards/overview.json",
        "dashboards/dependency.json",
        "grafana/provisioning/dashboards/seawall.yml",
        "grafana/provisioning/datasources/seawall.yml",
        "prometheus/prometheus.yml",
        "prometheus/rules/breaker.yml",
        "runbooks/SeawallBreakerOpen.md",
        bundle.MANIFEST,
    } <= set(found)
    assert set(json.loads(found[bundle.MANIFEST])["files"]) == set(found) - {bundle.MANIFEST}
    assert f"{len(found) - 1} files in out" in capsys.readouterr().out


def test_a_second_run_changes_nothing(here: Path) -> None:
    assert main(GENERATE) == 0
    before = tree(here / "out")
    assert main(GENERATE) == 0
    assert tree(here / "out") == before


def test_check_says_what_differs_and_changes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main((*GENERATE, "--check")) == 1
    assert not (here / "out").exists()
    assert main(GENERATE) == 0
    assert main((*GENERATE, "--check")) == 0
    capsys.readouterr()
    (here / "out/prometheus/prometheus.yml").write_text("mine", encoding="utf-8")
    (here / "out/dashboards/overview.json").unlink()
    before = tree(here / "out")
    assert main((*GENERATE, "--check")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "missing: dashboards/overview.json",
        "differs: prometheus/prometheus.yml",
        "out: not up to date",
    ]
    assert tree(here / "out") == before


def test_options_reach_what_they_are_about(here: Path) -> None:
    more = ["--exporter", "10.0.0.1:9464", "--alertmanager", "am:9093", "--webhook-url", "http://hook/x"]
    more += [
        "--scrape-interval",
        "5",
        "--time-factor",
        "0.5",
        "--cluster",
        "eu",
        "--prometheus-url",
        "http://p:9090",
    ]
    assert main((*GENERATE, *more)) == 0
    prometheus = (here / "out/prometheus/prometheus.yml").read_text(encoding="utf-8")
    for text in ("10.0.0.1:9464", "am:9093", "scrape_interval: 5s", "cluster: eu"):
        assert text in prometheus
    assert "http://hook/x" in (here / "out/alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    assert "http://p:9090" in (here / "out/grafana/provisioning/datasources/seawall.yml").read_text(
        encoding="utf-8"
    )
    assert "rate2m30s" in (here / "out/prometheus/rules/rates.yml").read_text(encoding="utf-8")


def test_one_part_can_be_written_alone(here: Path) -> None:
    assert main((*GENERATE, "--only", "alerts")) == 0
    assert {path.partition("/")[0] for path in tree(here / "out")} == {
        "alertmanager", "prometheus", "runbooks", bundle.MANIFEST,
    }  # fmt: skip
    alerts = tree(here / "out")
    assert main((*GENERATE, "--only", "dashboards")) == 0
    both = tree(here / "out")
    assert {path: body for path, body in both.items() if path in alerts and path != bundle.MANIFEST} == {
        path: body for path, body in alerts.items() if path != bundle.MANIFEST
    }
    assert set(json.loads(both[bundle.MANIFEST])["files"]) == set(both) - {bundle.MANIFEST}
    for part in ((), ("--only", "alerts"), ("--only", "dashboards")):
        assert main((*GENERATE, *part, "--check")) == 0


def test_a_running_exporter_is_a_source(here: Path) -> None:
    registry = Registry(service="afar")
    registry.guard("bank")
    server = ExporterServer(create_app(registry), ExporterSettings(port=0))
    server.start()
    try:
        assert main(("generate", "--from", f"http://127.0.0.1:{server.port}/", "--out", "out")) == 0
    finally:
        server.stop()
    assert "job_name: afar" in (here / "out/prometheus/prometheus.yml").read_text(encoding="utf-8")


def test_a_file_is_a_source(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("describe", "--from", "shop:registry", "--json")) == 0
    (here / "policies.json").write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(GENERATE) == 0
    assert main(("generate", "--from", "policies.json", "--out", "out", "--check")) == 0


def test_what_is_no_longer_generated_is_removed_and_nothing_else(tmp_path: Path) -> None:
    assert bundle.write(tmp_path, {"a/old.yml": "1", "b/kept.yml": "2", "b/edited.yml": "3"}) == []
    (tmp_path / "a" / "mine.yml").write_text("mine", encoding="utf-8")
    (tmp_path / "b" / "edited.yml").write_text("edited", encoding="utf-8")
    assert bundle.compare(tmp_path, {"b/kept.yml": "2"}).stale == ("a/old.yml", "b/edited.yml")
    said = bundle.write(tmp_path, {"b/kept.yml": "4"})
    assert said == ["b/edited.yml is no longer generated, but was edited: left in place"]
    found = tree(tmp_path)
    del found[bundle.MANIFEST]
    assert found == {"a/mine.yml": b"mine", "b/edited.yml": b"edited", "b/kept.yml": b"4"}
    bundle.write(tmp_path, {"c.yml": "5"})
    assert not (tmp_path / "b" / "kept.yml").exists()


def test_folders_that_become_empty_go(tmp_path: Path) -> None:
    bundle.write(tmp_path, {"a/b/old.yml": "1"})
    bundle.write(tmp_path, {"c.yml": "1"})
    assert {path.name for path in tmp_path.iterdir()} == {"c.yml", bundle.MANIFEST}


def test_a_file_of_others_in_the_way_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("mine", encoding="utf-8")
    with pytest.raises(CliError, match=r"not generated and are in the way: a\.yml"):
        bundle.write(tmp_path, {"a.yml": "1", "b.yml": "2"})
    assert tree(tmp_path) == {"a.yml": b"mine"}


def test_a_manifest_can_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("1", encoding="utf-8")
    folder = tmp_path / "out"
    bundle.write(folder, {"a.yml": "1"})
    manifest = json.loads((folder / bundle.MANIFEST).read_text(encoding="utf-8"))
    digest = manifest["files"]["a.yml"]
    manifest["files"] |= {"../precious": digest, str(outside): digest}
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    bundle.write(folder, {"b.yml": "1"})
    assert outside.read_text(encoding="utf-8") == "1"


@pytest.mark.parametrize("body", ["", "[]", '{"files": 3}', "\x00"])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, body: str) -> None:
    (tmp_path / bundle.MANIFEST).write_text(body, encoding="utf-8")
    with pytest.raises(CliError, match="can't be read"):
        bundle.write(tmp_path, {"a.yml": "1"})


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_failure_half_way_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The disk is full at the nth rename, whichever it is."""
    first = {"a.yml": "1", "sub/b.yml": "2", "gone.yml": "3"}
    second = {"a.yml": "new", "sub/b.yml": "new", "more/c.yml": "new"}
    bundle.write(tmp_path, first)
    before = tree(tmp_path)
    real, count = os.replace, 0

    def full(source: Any, target: Any) -> None:
        nonlocal count
        count += 1
        if count == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CliError, match="no space left on device"):
        bundle.write(tmp_path, second)
    monkeypatch.undo()
    assert tree(tmp_path) == before
    assert not (tmp_path / "more").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".seawall-") and path.is_dir()]
    bundle.write(tmp_path, second)
    assert (tmp_path / "more" / "c.yml").read_text(encoding="utf-8") == "new"


def test_a_missing_extra_is_named(here: Path) -> None:
    """In a process where the generators' libraries can't be imported."""
    script = (
        "import sys; sys.modules.update(dict.fromkeys(('grafanalib', 'jinja2', 'yaml')))\n"
        "from seawall.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *GENERATE], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2, run.stderr
    assert "pip install 'seawall[generate]'" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (here / "out").exists()


def test_describing_and_serving_load_no_generator() -> None:
    script = (
        "import sys; from seawall.cli.main import build_parser; import seawall.cli.serve, seawall.exporter\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('grafanalib', 'jinja2', 'yaml')])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_resources_for_kubernetes_are_written_when_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--kubernetes", "--kubernetes-namespace", "team-a", "--grafana-instance", "grafana=main")
    assert main((*GENERATE, *more)) == 0
    found = tree(here / "out/kubernetes")
    boards = {Path(path).stem for path in tree(here / "out/dashboards")}
    for folder in ("grafana-sidecar", "grafana-operator"):
        names = {Path(path).stem for path in found if path.startswith(f"{folder}/")}
        assert names == boards | {"kustomization"}
        assert b"namespace: team-a\n" in found[f"{folder}/kustomization.yaml"]
    assert b"      grafana: main\n" in found["grafana-operator/overview.yaml"]
    assert main((*GENERATE, *more, "--check")) == 0
    assert main((*GENERATE, "--only", "alerts")) == 0
    grafana = {path: text for path, text in found.items() if path.startswith("grafana-")}
    assert tree(here / "out/kubernetes") == grafana
    assert main(GENERATE) == 0
    assert not (here / "out/kubernetes").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--grafana-instance", "main"), "--grafana-instance main has no value; allowed: LABEL=VALUE"),
        (("--kubernetes-namespace", "Team A"), "namespace is 'Team A'; allowed: "),
    ],
)
def test_what_kubernetes_does_not_take_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert main((*GENERATE, "--kubernetes", *more)) == 2
    assert said in capsys.readouterr().err
    assert not (here / "out").exists()


def test_labels_of_a_fleet_reach_boards_and_rules(here: Path) -> None:
    assert main((*GENERATE, "--cluster-label", "cluster", "--instance-label", "pod")) == 0
    found = tree(here / "out")
    for text in (found["dashboards/fleet.json"], found["prometheus/rules/boards.yml"]):
        assert b"cluster_job_pod:seawall_calls:rate5m{" in text


def test_boards_ask_for_what_this_bundles_rules_record(here: Path) -> None:
    assert main((*GENERATE, "--time-factor", "0.5")) == 0
    found = tree(here / "out")
    for text in (found["dashboards/overview.json"], found["prometheus/rules/boards.yml"]):
        assert b"job_dependency_error:seawall_errors:rate2m30s" in text


def test_without_rules_boards_ask_for_raw_series(here: Path) -> None:
    assert main((*GENERATE, "--only", "dashboards", "--without-rules")) == 0
    assert b"job_dependency" not in b"".join(tree(here / "out").values())


def test_a_label_that_is_none_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main((*GENERATE, "--cluster-label", "a-b")) == 2
    assert "options.cluster_label is 'a-b'" in capsys.readouterr().err
