"""`seawall dashboards import` against the stand-in for Grafana, through both APIs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.grafana_server import TOKEN, running
from tests.integration.grafana_stand_in import EVERYTHING, Grafana

from seawall.cli.main import main
from seawall.dashboards import Options, uid
from seawall.dashboards.importing.plan import folder_uid

MODULE = """
from seawall.resilience import Breaker, Registry

registry = Registry(service="shop")
registry.guard("bank", breaker=Breaker())
"""
OVERVIEW = uid("shop", "overview")
OWN_FOLDER = folder_uid("Resilience")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's dashboards, generated once."""
    from seawall.dashboards import build
    from seawall.resilience import Breaker, Registry

    registry = Registry(service="shop")
    registry.guard("bank", breaker=Breaker())
    folder = tmp_path_factory.mktemp("dashboards")
    # As `seawall generate` writes an interval: what --from makes is what it has written.
    for name, text in build(registry.describe(), Options(scrape_interval="15000ms")).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("token").write_text(f"{TOKEN}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(params=["classic", "apps"])
def grafana(request: pytest.FixtureRequest, here: Path) -> Iterator[Grafana]:
    """One that has only the one API, or both."""
    with running(Grafana(apps=("v1beta1",) if request.param == "apps" else ())) as started:
        yield started


class Command:
    """Runs it, and gives what it said."""

    def __init__(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.files, self.capsys = files, capsys

    def __call__(self, grafana: Grafana, *more: str, code: int = 0, url: str = "") -> str:
        arguments = ["dashboards", "import", "--url", url or grafana.url, "--token-file", "token"]
        source = [] if "--from" in more or "--dir" in more else ["--dir", str(self.files)]
        assert main([*arguments, *source, *more]) == code
        said = self.capsys.readouterr()
        assert TOKEN not in said.out + said.err
        if code:
            assert said.err.startswith("seawall: can't import: ")
            assert said.err.count("\n") == 1
        return said.err if code else said.out


@pytest.fixture
def bring(files: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(files, capsys)


def overview(files: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((files / "overview.json").read_text(encoding="utf-8"))
    return content


def test_a_new_set_arrives_as_it_was_generated(grafana: Grafana, bring: Command) -> None:
    said = bring(grafana)
    expected = {}
    for path in bring.files.glob("*.json"):
        board = json.loads(path.read_text(encoding="utf-8"))
        expected[board["uid"]] = board
    stored = {uid: held.content for uid, held in grafana.boards.items()}
    assert stored == {
        uid: {k: v for k, v in board.items() if k not in ("id", "version")} for uid, board in expected.items()
    }
    assert {held.folder for held in grafana.boards.values()} == {OWN_FOLDER}
    assert grafana.folders[OWN_FOLDER]["title"] == "Resilience"
    api = "apps" if grafana.apps else "classic"
    assert said.splitlines()[0] == "created    folder Resilience"
    assert f"created    {OVERVIEW}  Resilience overview: shop\n" in said
    assert said.endswith(f"{len(expected)} dashboards in Resilience ({api} API): {len(expected)} created\n")


def test_a_second_time_nothing_is_written(grafana: Grafana, bring: Command) -> None:
    bring(grafana)
    grafana.writes.clear()
    said = bring(grafana)
    assert grafana.writes == []
    assert said.endswith(f": {len(grafana.boards)} unchanged\n")


def test_only_what_differs_is_updated(grafana: Grafana, bring: Command) -> None:
    bring(grafana)
    held = grafana.boards[OVERVIEW]
    held.content["panels"] = []
    grafana.writes.clear()
    said = bring(grafana)
    assert grafana.writes == [f"dashboard {OVERVIEW}"]
    assert f"updated    {OVERVIEW}  Resilience overview: shop\n" in said
    assert held.content["panels"] == overview(bring.files)["panels"]
    assert held.version == 2


def test_a_newer_grafana_that_raises_the_schema_and_adds_is_left_alone(
    grafana: Grafana, bring: Command
) -> None:
    grafana.raises_schema_to = 99
    bring(grafana)
    for held in grafana.boards.values():
        held.content["preload"] = False
    grafana.writes.clear()
    bring(grafana)
    assert grafana.writes == []


def test_a_dry_run_says_what_would_be_and_writes_nothing(grafana: Grafana, bring: Command) -> None:
    said = bring(grafana, "--dry-run")
    assert "would be created    folder Resilience\n" in said
    assert f"would be created    {OVERVIEW}" in said
    assert "dry run, nothing written: " in said
    assert grafana.writes == []
    bring(grafana)
    grafana.writes.clear()
    grafana.boards[OVERVIEW].content["title"] = "Changed"
    said = bring(grafana, "--dry-run")
    assert re.findall("would be (.*?) ", said) == ["updated"]
    assert grafana.writes == []


def test_a_registry_is_a_source(grafana: Grafana, bring: Command, here: Path) -> None:
    (here / "shop_for_grafana.py").write_text(MODULE, encoding="utf-8")
    bring(grafana, "--from", "shop_for_grafana:registry")
    grafana.writes.clear()
    bring(grafana)
    assert grafana.writes == []


def test_what_others_have_is_not_touched(grafana: Grafana, bring: Command) -> None:
    grafana.add_folder("theirs", "Theirs")
    other = grafana.add_board({"uid": "mine", "title": "Resilience overview: shop", "panels": []}, "theirs")
    bring(grafana)
    assert (other.content["uid"], other.version, other.folder) == ("mine", 1, "theirs")
    assert "dashboard mine" not in grafana.writes


def test_a_folder_of_the_title_is_used(grafana: Grafana, bring: Command) -> None:
    for number in range(1200):
        grafana.add_folder(f"f{number}", f"Folder {number}")
    grafana.add_folder("nested", "Resilience", parent="f1")
    grafana.add_folder("there", "Resilience")
    bring(grafana)
    assert {held.folder for held in grafana.boards.values()} == {"there"}
    assert not [line for line in grafana.writes if line.startswith("folder")]


def test_two_folders_of_the_title_have_to_be_told_apart(grafana: Grafana, bring: Command) -> None:
    grafana.add_folder("b", "Resilience")
    grafana.add_folder("a", "Resilience")
    assert "2 folders are called Resilience; name one by uid: a, b" in bring(grafana, code=2)
    bring(grafana, "--folder-uid", "a")
    assert {held.folder for held in grafana.boards.values()} == {"a"}
    assert "there is no folder of uid c" in bring(grafana, "--folder-uid", "c", code=2)


def test_a_dashboard_elsewhere_is_not_moved(grafana: Grafana, bring: Command) -> None:
    grafana.add_folder("theirs", "Theirs")
    held = grafana.add_board(overview(bring.files), "theirs")
    said = bring(grafana, code=2)
    assert f"{OVERVIEW} is in the folder Theirs, not in Resilience" in said
    assert grafana.writes == []
    held.folder = ""
    assert f"{OVERVIEW} is in no folder, not in Resilience" in bring(grafana, code=2)
    held.folder = "theirs"
    bring(grafana, "--folder", "Theirs")
    assert len(grafana.boards) > 1


def test_a_provisioned_dashboard_is_named(grafana: Grafana, bring: Command) -> None:
    grafana.add_folder("r", "Resilience")
    grafana.add_board(overview(bring.files), "r", managed_by="classic-file-provisioning")
    assert re.search(f"{OVERVIEW} is managed by .*file.provisioning", bring(grafana, code=2))
    assert grafana.writes == []


def test_somebody_else_was_faster(grafana: Grafana, bring: Command) -> None:
    bring(grafana)
    held = grafana.boards[OVERVIEW]
    held.content["title"] = "Before"

    def change() -> None:
        held.version += 1
        held.content["title"] = "Theirs"

    grafana.before_write = change
    assert f"{OVERVIEW} was changed by somebody else just now" in bring(grafana, code=2)
    assert held.content["title"] == "Theirs"


def test_a_title_that_is_taken_is_not_overwritten(grafana: Grafana, bring: Command) -> None:
    grafana.add_folder("r", "Resilience")
    theirs = grafana.add_board({"uid": "mine", "title": "Resilience overview: shop", "panels": []}, "r")
    said = bring(grafana, code=2)
    if grafana.apps:
        assert f"{OVERVIEW} was refused (HTTP 412): A dashboard with the same name" in said
    else:
        assert "another dashboard in Resilience is called 'Resilience overview: shop' (HTTP 412)" in said
    assert theirs.version == 1
    grafana.titles_are_unique = False
    bring(grafana)
    assert theirs.version == 1


@pytest.mark.parametrize("missing", sorted(EVERYTHING))
def test_a_permission_that_is_missing_is_named(grafana: Grafana, bring: Command, missing: str) -> None:
    if missing == "dashboards:write":
        bring(grafana)
        grafana.boards[OVERVIEW].content["title"] = "Before"
    grafana.permissions = EVERYTHING - {missing}
    assert f"the token may not do this (HTTP 403): it needs {missing}" in bring(grafana, code=2)


def test_a_folder_that_the_token_can_not_see(grafana: Grafana, bring: Command) -> None:
    grafana.add_folder("hidden", "Resilience", parent="not-listed")
    assert "a folder Resilience exists (HTTP 409), but the token can't see it" in bring(grafana, code=2)


def test_below_a_sub_path(here: Path, bring: Command) -> None:
    with running(Grafana(sub_path="/grafana")) as grafana:
        bring(grafana, url=grafana.url + "/")
        said = bring(grafana, code=2, url=grafana.url.removesuffix("/grafana"))
    assert "(HTTP 404); is http://127.0.0.1:" in said
    assert "https://host/grafana" in said


@pytest.mark.parametrize(
    ("served", "asked", "used"),
    [
        (("v1", "v1beta1"), "auto", "/apis/dashboard.grafana.app/v1/namespaces/default/dashboards"),
        (("v0alpha1",), "auto", "/api/dashboards/db"),
        (("v1beta1",), "classic", "/api/dashboards/db"),
        (("v1beta1",), "apps", "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards"),
    ],
)
def test_the_api_is_what_there_is_or_what_was_asked_for(
    here: Path, bring: Command, served: tuple[str, ...], asked: str, used: str
) -> None:
    with running(Grafana(apps=served)) as grafana:
        bring(grafana, "--api", asked)
        assert f"POST {used}" in grafana.asked


def test_a_grafana_with_another_schema_takes_them(here: Path, bring: Command) -> None:
    with running(Grafana(schema_problem="spec.panels.0: field not allowed")) as grafana:
        bring(grafana)
        grafana.boards[OVERVIEW].content["panels"] = []
        assert f"updated    {OVERVIEW}" in bring(grafana)


def test_an_api_that_is_not_there(here: Path, bring: Command) -> None:
    with running(Grafana(apps=())) as grafana:
        assert "allowed: --api classic" in bring(grafana, "--api", "apps", code=2)


def test_another_namespace_is_refused_by_name(here: Path, bring: Command) -> None:
    with running(Grafana()) as grafana:
        assert "HTTP 403" in bring(grafana, "--namespace", "org-2", code=2)
