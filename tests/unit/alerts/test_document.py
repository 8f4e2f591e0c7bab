"""Policy documents that can't be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from seawall.alerts.document import parse
from seawall.resilience import ConfigurationError


def set_(*path: Any) -> Callable[[Any], None]:
    """Change the document at a path to the last argument."""

    def change(document: Any) -> None:
        *way, last, value = path
        for step in way:
            document = document[step]
        document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_("schema", "x/2"), "schema is 'x/2'; allowed: 'seawall.policies/1'"),
        (set_("service", ""), "service is ''"),
        (set_("guards", None), "guards is missing"),
        (set_("guards", 0, 7), "guards[0]: name is missing"),
        (
            set_("guards", 0, "name", "a\nb"),
            "guards[0]: name is 'a\\nb'; allowed: 1 to 200 characters, none a",
        ),
        (
            set_("guards", 0, "name", "a\u2028b"),
            "guards[0]: name is 'a\\u2028b'; allowed: 1 to 200 characters, none a control or a separator of "
            "lines",
        ),
        (set_("service", "a\u2029b"), "policy document: service is 'a\\u2029b'; allowed: 1 to 200"),
        (
            set_("guards", 0, "criticality", "high"),
            "criticality is 'high'; allowed: critical, default, sheddable",
        ),
        (set_("guards", 0, "operations", ["a b"]), "operations is ['a b']"),
        (set_("guards", 0, "policies", {"magic": {}}), "policy 'magic' is unknown"),
        (set_("guards", 0, "policies", []), "policies is []"),
        (set_("guards", 0, "hash", "xyz"), "hash is 'xyz'; allowed: 16 hexadecimal digits"),
        (
            set_("guards", 0, "objectives", {"success": 1.5}),
            "objectives.success is 1.5; allowed: a number > 0 and < 1",
        ),
        (set_("guards", 0, "objectives", {"fun": 0.5}), "objective 'fun' is unknown"),
        (set_("guards", 0, "objectives", 3), "objectives is 3"),
        (
            set_("guards", 0, "policies", {"breaker": {"failure_ratio": 1.5}}),
            "breaker.failure_ratio is 1.5; allowed: a number > 0 and <= 1",
        ),
        (set_("guards", 0, "policies", {"timeout": {"total": float("inf")}}), "timeout.total is inf"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[Any], None], said: str, document: dict[str, Any]) -> None:
    wrong = copy.deepcopy(document)
    change(wrong)
    with pytest.raises(ConfigurationError) as caught:
        parse(wrong)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_a_name_twice_is_named_once(document: dict[str, Any]) -> None:
    twice = {**document, "guards": [*document["guards"], document["guards"][1]]}
    with pytest.raises(ConfigurationError, match="is declared 2 times; allowed: once"):
        parse(twice)


@pytest.mark.parametrize("wrong", [None, [], "x", 3])
def test_what_is_no_object_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="allowed: an object"):
        parse(wrong)


def test_all_problems_come_at_once(document: dict[str, Any]) -> None:
    wrong = copy.deepcopy(document)
    wrong["schema"] = None
    wrong["guards"][0]["criticality"] = None
    wrong["guards"][1]["hash"] = None
    with pytest.raises(ConfigurationError) as caught:
        parse(wrong)
    assert len(caught.value.problems) == 3


def test_numbers_are_found_where_they_stand(document: dict[str, Any]) -> None:
    bank = next(guard for guard in parse(document).guards if guard.name == "bank-api")
    assert bank.number("retry", "budget.ratio") == 0.2
    assert bank.number("breaker", "slow_after") == 0.5
    assert bank.number("breaker", "nothing") is None
    assert bank.number("nothing", "at_all") is None
    assert bank.modes == ("stale", "default")
