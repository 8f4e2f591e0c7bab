"""Names that users choose: in no board of the seven but for the service's in its title, whatever they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.unit.dashboards.conftest import full, policies

from seawall.dashboards import Options, build, build_kubernetes, build_provisioning
from seawall.dashboards.kubernetes import KubernetesOptions

Json = dict[str, Any]
#: Stands in every name, so that one is known wherever it turns up.
MARK = "\N{SECTION SIGN}"
NAMES = [
    '"} or x{z="',
    "`} or x{z=`",
    "{{ x }}",
    "{{dependency}} {{ .Foo }}",
    "$job",
    "${job} ${dependency:regex} ${__field.labels.dependency}",
    "[[job]]",
    "two\nlines\r\nof it\ttoo",
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) **bold**",
    "../../etc/passwd",
    "a?b&var-job=c#d%2F%s %(x)s {0}",
    "n" * 200,
    "\N{RIGHT-TO-LEFT OVERRIDE}\u2028\u2029\ufeff",
    "зависимость 依存 الاعتماد 🌊",
    "a\\",
    "---\n- x: !!python/object:os.system {}",
]
BOARDS = ["degradation", "dependency", "effectiveness", "exporter", "fleet", "overview", "retries"]


def places(value: object, *path: str) -> Iterator[str]:
    """Where in a board the mark is, keys of objects included."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if MARK in key:
                yield "/".join((*path, "(a key)"))
            yield from places(inside, *path, key)
    elif isinstance(value, list):
        for inside in value:
            yield from places(inside, *path, "*")
    elif isinstance(value, str) and MARK in value:
        yield "/".join(path)


def everywhere(name: str) -> Json:
    """A guard of this name, which is all else that a user writes about it, too."""
    guard = full(name)
    fallback = {"modes": [name], "stale_for": 300.0}
    return guard | {
        "description": name,
        "operations": [name],
        "policies": guard["policies"] | {"fallback": fallback},
    }


@pytest.mark.parametrize("recorded", [True, False], ids=["with rules", "without rules"])
@pytest.mark.parametrize("name", NAMES)
def test_a_guards_names_are_in_no_place_of_any_board(name: str, recorded: bool) -> None:
    options = Options(recorded=recorded)
    made = build(policies(everywhere(MARK + name)), options)
    assert list(made) == [f"{board}.json" for board in BOARDS]
    assert made == build(policies(everywhere("plain")), options)


@pytest.mark.parametrize("name", NAMES)
def test_a_services_name_is_in_the_titles_alone(name: str) -> None:
    """Not in panels' titles, variables, descriptions, legends, links, marks, addresses, names of files."""
    ours, plain = build(policies(full("x"), service=MARK + name)), build(policies(full("x"), service="plain"))
    assert list(ours) == [f"{board}.json" for board in BOARDS]
    for file, text in ours.items():
        board, other = json.loads(text), json.loads(plain[file])
        assert list(places(board)) == ["title"], file
        assert board["title"] == other["title"].removesuffix("plain") + MARK + name
        digest, its = board["uid"][-8:], other["uid"][-8:]
        assert json.loads(json.dumps(board | {"title": other["title"]}).replace(digest, its)) == other


@pytest.mark.parametrize("name", NAMES)
def test_a_services_name_is_harmless_in_resources(name: str) -> None:
    """YAML gives the boards back as they were; names of files and resources are made from addresses."""
    boards = build(policies(full("x"), service=MARK + name))
    found = build_kubernetes(boards, KubernetesOptions())
    given = []
    for path, text in found.items():
        assert MARK not in path
        resource = yaml.safe_load(text)
        if resource["kind"] == "Kustomization":
            assert MARK not in text
            continue
        assert MARK not in json.dumps(resource["metadata"], ensure_ascii=False)
        given += list(resource.get("data", {}).values()) or [resource["spec"]["json"]]
    wanted = sorted(boards.values()) * 2
    assert sorted(map(_content, given)) == sorted(map(_content, wanted))


@pytest.mark.parametrize("name", NAMES)
def test_what_options_say_comes_back_as_it_was(name: str) -> None:
    text = MARK + name
    options = Options(folder=text, datasource=text, tags=(text,), trace_url=text, prometheus_url=text)
    boards = build(policies(full("x")), options)
    for each in boards.values():
        board = json.loads(each)
        known = {"tags/*", "links/*/tags/*", "links/*/title"}
        known |= {f"templating/list/*/current/{what}" for what in ("text", "value")}
        assert set(places(board)) == known
        assert board["tags"] == [text]
    files = {path: yaml.safe_load(each) for path, each in build_provisioning(options).items()}
    assert files["dashboards/seawall.yml"]["providers"][0]["folder"].replace("$$", "$") == text


def _content(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)
