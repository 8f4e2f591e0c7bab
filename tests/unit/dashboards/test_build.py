"""What `build` promises: the same bytes, harmless names, boards after policies, options that reach in."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from seawall.dashboards import DocumentError, Options, OptionsError, Palette, build, build_provisioning, uid
from seawall.dashboards.palette import (
    ATTEMPT_OUTCOMES,
    CALL_OUTCOMES,
    FAILED_OUTCOMES,
    REJECTING_STATES,
    STATE_CODES,
    STATE_TEXTS,
)
from seawall.dashboards.panels import Panel, Query, Row, Stat
from seawall.resilience import fields
from seawall.telemetry import catalog
from seawall.telemetry.promql import Scope, matches, rate, sum_by

Json = dict[str, Any]

HOSTILE = [
    '"} or x{z="',
    "{{ x }}",
    "${job}",
    "$job",
    "[[job]]",
    "</script><script>alert(1)</script>",
    "a\\",
    "зависимость 依存",
    "n" * 200,
    "%s %(x)s {0}",
]


def entry(name: str, **more: object) -> Json:
    breaker = {"failure_ratio": 0.5, "window_calls": 10, "minimum_calls": 5}
    plain = {
        "name": name,
        "description": "",
        "criticality": "default",
        "operations": ["default"],
        "order": [],
    }
    return {**plain, "policies": {"breaker": breaker}, "objectives": None, "hash": "0", **more}


def document(*guards: Json, service: str = "payments") -> Json:
    return {"schema": "seawall.policies/1", "service": service, "hash": "0", "guards": list(guards)}


def parsed(doc: Json, options: Options | None = None) -> dict[str, Json]:
    return {name: json.loads(text) for name, text in build(doc, options or Options()).items()}


def shown(board: Json) -> list[Json]:
    inside = [child for panel in board["panels"] for child in panel.get("panels", [])]
    return [panel for panel in (*board["panels"], *inside) if panel["type"] != "row"]


def titles(board: Json) -> set[str]:
    return {panel["title"] for panel in shown(board)}


def test_the_same_document_gives_the_same_bytes() -> None:
    doc = document(entry("bank-api"), entry("mail"))
    again = json.loads(json.dumps(dict(reversed(doc.items()))))
    assert build(doc) == build(again)
    assert list(build(doc)) == sorted(build(doc))
    assert all(text.endswith("}\n") for text in build(doc).values())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_guards_name_is_in_no_dashboard(name: str) -> None:
    """Guards are found by the variables of the board: what they are called changes not one byte."""
    harmless = document(entry("plain", description="plain"))
    assert build(document(entry(name, description=name))) == build(harmless)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_services_name_is_only_in_the_title(name: str) -> None:
    board = parsed(document(entry("x"), service=name))["overview.json"]
    assert board["title"] == f"Resilience overview: {name}"
    assert board["uid"] == uid(name, "overview")
    assert set(board["uid"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    ours = parsed(document(entry("x"), service="other"))["overview.json"]
    theirs = json.loads(json.dumps(board).replace(board["uid"][-8:], ours["uid"][-8:]))
    assert {**theirs, "title": ""} == {**ours, "title": ""}


def test_a_thousand_guards_take_seconds() -> None:
    doc = document(*(entry(f"guard-{n}") for n in range(1000)))
    began = time.process_time()
    made = build(doc)
    assert time.process_time() - began < 5
    assert sum(map(len, made.values())) < 1_000_000


def test_panels_follow_the_policies() -> None:
    bare = parsed(document(entry("x", policies={})))
    assert titles(bare["dependency.json"]).isdisjoint(
        {"State", "Retry budget left", "Bulkhead: calls inside and waiting", "Fallbacks by mode"}
    )
    assert "Abandoned worker threads" not in titles(bare["dependency.json"])
    assert bare["overview.json"]["annotations"]["list"][1:] == []
    policies = {"retry": {"attempts": 2, "budget": {"ratio": 0.1}}, "bulkhead": {"limit": 3}}
    some = parsed(document(entry("x", policies=policies)))
    assert titles(some["dependency.json"]) >= {"Retry budget left", "Bulkhead: calls inside and waiting"}
    threaded = parsed(document(entry("x", policies={"timeout": {"attempt": 1.0, "threads": 4}})))
    assert "Abandoned worker threads" in titles(threaded["dependency.json"])
    assert "Waiting for a place or a permit" not in titles(some["dependency.json"])


def test_a_row_for_each_criticality_that_there_is() -> None:
    doc = document(entry("a", criticality="sheddable"), entry("b", criticality="critical"))
    rows = [p["title"] for p in parsed(doc)["overview.json"]["panels"] if p["type"] == "row"]
    assert rows[-2:] == ["Critical dependencies", "Sheddable dependencies"]


def test_no_guards_at_all_is_no_error() -> None:
    assert set(build(document())) >= {"dependency.json", "overview.json"}


@pytest.mark.parametrize(
    "doc", [{}, {"schema": "seawall.policies/2"}, {"schema": "seawall.policies/1", "guards": [1]}]
)
def test_what_is_no_policy_document_is_refused(doc: Json) -> None:
    with pytest.raises(DocumentError):
        build(doc)


def test_limits_come_from_the_policy_that_runs() -> None:
    """The dashed line is a query, not a number of the day on which the dashboard was made."""
    board = parsed(document(entry("x")))["dependency.json"]
    panel = next(p for p in shown(board) if p["title"].startswith("Failure ratio"))
    assert catalog.POLICY_SETTING.name in panel["targets"][1]["expr"]
    dashed = [
        o for o in panel["fieldConfig"]["overrides"] if o["matcher"] == {"id": "byFrameRefID", "options": "B"}
    ]
    assert {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}} in dashed[0]["properties"]


def test_palette_knows_the_ledgers_words() -> None:
    assert set(STATE_CODES) == set(STATE_TEXTS) == set(fields.BREAKER_STATES)
    assert set(REJECTING_STATES) <= set(fields.BREAKER_STATES)
    assert CALL_OUTCOMES == fields.CALL_OUTCOMES
    assert ATTEMPT_OUTCOMES == fields.ATTEMPT_OUTCOMES
    assert set(FAILED_OUTCOMES) <= set(CALL_OUTCOMES)
    palette = Palette()
    assert set(palette.states) == set(STATE_CODES)
    assert set(palette.outcomes) == {*CALL_OUTCOMES, *ATTEMPT_OUTCOMES}
    assert len(set(palette.states.values())) == len(palette.states)


def test_states_have_the_same_colours_everywhere() -> None:
    boards = parsed(document(entry("x")), Options(palette=Palette(bad="#123456")))
    found = [
        mapping["options"]["4"]["color"]
        for board in boards.values()
        for panel in shown(board)
        for mapping in panel["fieldConfig"]["defaults"]["mappings"]
        if "4" in mapping["options"]
    ]
    assert len(found) >= 3
    assert set(found) == {"#123456"}


def test_where_there_is_nothing_to_judge_nothing_looks_bad() -> None:
    """What is better when large begins with the colour of what is bad; no calls are not bad."""
    for board in parsed(document(entry("x"))).values():
        for panel in shown(board):
            defaults = panel["fieldConfig"]["defaults"]
            if panel["type"] == "stat" and defaults["thresholds"]["steps"][0]["color"] == Palette().bad:
                special = [m["options"] for m in defaults["mappings"] if m["type"] == "special"]
                nothing = {"text": defaults["noValue"], "color": Palette().neutral, "index": 0}
                absent = panel["title"] == "Targets up"
                assert special == ([] if absent else [{"match": "null+nan", "result": nothing}])


@pytest.mark.parametrize("recorded", [True, False])
def test_other_label_names(recorded: bool) -> None:
    options = Options(
        job_label="service",
        instance_label="pod",
        cluster_label="cluster",
        namespace_label="k8s_namespace",
        several_services=True,
        recorded=recorded,
    )
    for name, board in parsed(document(entry("x")), options).items():
        over_replicas = recorded and name in ("overview.json", "fleet.json")
        names = [v["name"] for v in board["templating"]["list"]]
        assert names[:4] == ["datasource", "cluster", "namespace", "job"]
        assert ("instance" in names) is not over_replicas
        for panel in shown(board):
            for target in panel["targets"]:
                fleet = 'cluster=~"$cluster", k8s_namespace=~"$namespace", service=~"$job"'
                assert fleet + ("" if over_replicas else ', pod=~"$instance"') in target["expr"]
                assert ("pod=~" in target["expr"]) is not over_replicas
                assert "job=~" not in target["expr"].replace("service=~", "")


def test_drop_change_and_extra() -> None:
    def wider(board: str, panel: Panel) -> Panel:
        return replace(panel, title="Traffic") if (board, panel.key) == ("overview", "calls") else panel

    inside = Scope((matches("job", "$job"), matches("instance", "$instance")))
    mine = Stat(
        key="mine",
        title="Mine",
        description="Mine.",
        queries=(Query(expr=sum_by(rate(inside.select(catalog.CALLS), "$__rate_interval"))),),
    )
    options = Options(
        drop=frozenset({"overview.breakers-not-closed"}),
        change=wider,
        extra={"overview": (Row(title="Ours", panels=(mine,)),)},
    )
    usual = parsed(document(entry("x")))["overview.json"]
    board = parsed(document(entry("x")), options)["overview.json"]
    assert titles(board) == titles(usual) - {"Breakers not closed", "Calls"} | {"Traffic", "Mine"}
    ids = {panel["id"] for panel in shown(usual)}
    assert {panel["id"] for panel in shown(board) if panel["title"] != "Mine"} < ids


def test_wrong_options_are_named_all_at_once() -> None:
    with pytest.raises(OptionsError) as caught:
        Options(job_label="1st", instance_label="le", uid_prefix="no spaces", refresh="soon", folder=" ")
    assert len(caught.value.problems) == 5
    with pytest.raises(OptionsError, match=r"drop names no panel: overview\.nothing"):
        build(document(entry("x")), Options(drop=frozenset({"overview.nothing"})))
    with pytest.raises(OptionsError, match="extra names no board: nowhere"):
        build(document(entry("x")), Options(extra={"nowhere": ()}))


def test_links_lead_to_a_board_of_the_set() -> None:
    boards = parsed(document(entry("x")))
    uids = {board["uid"] for board in boards.values()}
    texts = json.dumps(boards["overview.json"])
    assert (
        f"/d/{uid('payments', 'dependency')}?var-dependency=${{__field.labels.dependency:percentencode}}"
        in texts
    )
    assert (
        f"/d/{uid('payments', 'dependency')}?var-dependency=${{__data.fields.Dependency:percentencode}}"
        in texts
    )
    assert uid("payments", "dependency") in uids
    for board in boards.values():
        assert board["links"][0]["type"] == "dashboards"
        assert set(board["links"][0]["tags"]) <= set(board["tags"])


def test_provisioning_is_yaml_with_what_was_chosen() -> None:
    yaml = pytest.importorskip("yaml")
    folder = 'Ops: "team" #1'
    options = Options(folder=folder, scrape_interval="1s", trace_url="http://127.0.0.1/t/${__value.raw}")
    files = {path: yaml.safe_load(text) for path, text in build_provisioning(options).items()}
    assert files["dashboards/seawall.yml"]["providers"][0]["folder"] == folder
    source = files["datasources/seawall.yml"]["datasources"][0]
    assert source["jsonData"]["timeInterval"] == "1s"
    assert source["jsonData"]["exemplarTraceIdDestinations"] == [
        {"name": "trace_id", "url": "http://127.0.0.1/t/$${__value.raw}"}
    ]
