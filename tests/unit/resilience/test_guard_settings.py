"""What a guard can be built from, in the words in which anything else is refused."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from seawall.resilience import ConfigurationError, Guard, Hedge, Registry, Retry, Timeout
from seawall.resilience.description import Objectives

NAME = "1 to 200 characters, none of them a control character, line separator or surrogate"
BUCKETS = "ascending numbers of seconds above 0"
OPERATION = "[A-Za-z0-9_.-], 1 to 64 characters"
GET = Retry(idempotent=("get",))
HEDGED = Hedge(delay=1.0, operations=("get",))
TIMED = Timeout(by_operation={"get": Timeout(attempt=1.0)})


def problems(name: Any = "bank", **settings: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        Guard(name, registry=Registry("t"), **settings)
    return caught.value.problems


@pytest.mark.parametrize("name", ["", "x" * 201, 1, None, "a\nb", "a\x00", "\ud800", "a\u2028", "\u2029"])
def test_names_that_can_not_be(name: Any) -> None:
    assert problems(name) == (f"Guard {name!r}.name is {name!r}; allowed: {NAME}",)


@pytest.mark.parametrize(
    ("settings", "said", "allowed"),
    [
        ({"breaker": 1}, "breaker is 1", "a Breaker, or None"),
        ({"retry": 1}, "retry is 1", "a Retry, or None"),
        ({"timeout": 1}, "timeout is 1", "a Timeout, or None"),
        ({"bulkhead": 1}, "bulkhead is 1", "a Bulkhead, or None"),
        ({"rate_limit": 1}, "rate_limit is 1", "a RateLimit, or None"),
        ({"fallback": 1}, "fallback is 1", "a Fallback, or None"),
        ({"hedge": 1}, "hedge is 1", "a Hedge, or None"),
        ({"coalesce": 1}, "coalesce is 1", "a Coalesce, or None"),
        ({"operations": "get"}, "operations is 'get'", "a list of names"),
        ({"operations": [""]}, "operations is ''", OPERATION),
        ({"operations": ["get", "x" * 65]}, f"operations is {'x' * 65!r}", OPERATION),
        ({"operations": ["a b"]}, "operations is 'a b'", OPERATION),
        ({"operations": [3]}, "operations is 3", OPERATION),
        ({"operations": ["a", "b", "a"]}, "operations is ('a', 'b', 'a')", "each name once"),
        ({"retry": GET}, "retry.idempotent is 'get'", "default"),
        ({"retry": GET, "operations": ["put", "list"]}, "retry.idempotent is 'get'", "put, list"),
        ({"hedge": HEDGED}, "hedge.operations is 'get'", "default"),
        ({"hedge": HEDGED, "operations": ["put", "list"]}, "hedge.operations is 'get'", "put, list"),
        ({"timeout": TIMED}, "timeout.by_operation is 'get'", "default"),
        ({"timeout": TIMED, "operations": ["put", "list"]}, "timeout.by_operation is 'get'", "put, list"),
        ({"criticality": "vital"}, "criticality is 'vital'", "critical, default, sheddable"),
        ({"objectives": 0.99}, "objectives is 0.99", "an Objectives, or None"),
        ({"buckets": ()}, "buckets is ()", BUCKETS),
        ({"buckets": (0,)}, "buckets is (0,)", BUCKETS),
        ({"buckets": (1, 1)}, "buckets is (1, 1)", BUCKETS),
        ({"buckets": (2, 1)}, "buckets is (2, 1)", BUCKETS),
        ({"buckets": (1, inf)}, "buckets is (1, inf)", BUCKETS),
        ({"buckets": (nan,)}, "buckets is (nan,)", BUCKETS),
        ({"buckets": ("1",)}, "buckets is ('1',)", BUCKETS),
    ],
)
def test_what_can_not_be(settings: dict[str, Any], said: str, allowed: str) -> None:
    assert problems(**settings) == (f"Guard 'bank'.{said}; allowed: {allowed}",)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert problems("", retry=1, criticality="vital", buckets=()) == (
        f"Guard ''.name is ''; allowed: {NAME}",
        "Guard ''.retry is 1; allowed: a Retry, or None",
        "Guard ''.criticality is 'vital'; allowed: critical, default, sheddable",
        f"Guard ''.buckets is (); allowed: {BUCKETS}",
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"operations": ["x" * 64, "Get_it.now-1"], "buckets": (0.1,)},
        {"operations": ["get"], "retry": GET, "criticality": "sheddable"},
        {"retry": Retry(idempotent=("default",)), "buckets": (0.001, 1, 3600)},
        {"hedge": HEDGED, "timeout": TIMED, "operations": ["put", "get"]},
        {"hedge": Hedge(delay=1.0, operations=("default",)), "timeout": Timeout(total=1.0)},
        {"timeout": Timeout(by_operation={"default": Timeout(attempt=1.0)})},
        {"objectives": Objectives(success=0.99), "criticality": "critical"},
    ],
)
@pytest.mark.parametrize("name", ["x", "x" * 200, "Zürich 1"])
def test_what_can_be(name: str, settings: dict[str, Any]) -> None:
    assert Guard(name, registry=Registry("t"), **settings).name == name
