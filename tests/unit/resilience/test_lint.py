"""Composition lint: each rule where it speaks, with its words, and next to it where it is silent."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from tests.unit.resilience import lint_copies_cases, lint_limits_cases, lint_retry_cases

from seawall.resilience import (
    Breaker,
    Fallback,
    Guard,
    PolicyWarning,
    Registry,
    Retry,
    RetryRule,
    Timeout,
    lint,
    lint_retry,
    lint_rule,
)

SPEAKS = [*lint_retry_cases.SPEAKS, *lint_limits_cases.SPEAKS, *lint_copies_cases.SPEAKS]
SILENT = [*lint_retry_cases.SILENT, *lint_limits_cases.SILENT, *lint_copies_cases.SILENT]


def settings_of(policies: dict[str, Any]) -> dict[str, Any]:
    """What rules are given: a guard that names no operation has one."""
    return {"operations": ("default",), **policies}


def findings(policies: dict[str, Any]) -> tuple[str, ...]:
    alone = {name: policy for name, policy in policies.items() if name != "operations"}
    return lint.findings(alone, settings_of(policies)["operations"])


@pytest.mark.parametrize(("policies", "text"), SPEAKS)
def test_a_rule_says_what_is_wrong_with_the_numbers(policies: dict[str, Any], text: str) -> None:
    assert findings(policies) == (text,)
    registry = Registry("t")
    with pytest.warns(PolicyWarning) as said:
        guard = Guard("bank", registry=registry, **policies)
    assert [(str(w.message), w.filename) for w in said] == [(f"bank: {text}", __file__)]
    assert guard.lint() == (text,)
    assert registry.lint() == (f"bank: {text}",)


@pytest.mark.parametrize("policies", SILENT)
def test_a_rule_is_silent_where_all_is_well(policies: dict[str, Any]) -> None:
    assert findings(policies) == ()


def test_attempts_without_a_limit_of_their_own_do_not_time_out() -> None:
    retry = Retry(base_delay=2.0, per_error=((TimeoutError, RetryRule(attempts=1)),))
    said = lint_retry.attempts_beyond_total(retry, Timeout(total=2.0), ("default",))
    assert said is not None
    assert said.startswith("retry.attempts is 3: when each fails at once and back-off is at its longest, nu")
    assert lint_retry.attempts_beyond_total(retry, Timeout(attempt=0.1, total=2.0), ("default",)) is None


def test_threads_are_abandoned_by_the_attempts_that_the_total_leaves_time_for() -> None:
    def said(threads: int, **limits: Any) -> str | None:
        timeout = Timeout(threads=threads, **limits)
        return lint_retry.threads_all_abandoned(Retry(attempts=5), timeout, ("default",))

    assert said(4, attempt=1.0, total=3.0) is None
    three = said(3, attempt=1.0, total=3.0)
    assert three is not None
    assert three.startswith(
        "timeout.threads is 3: one call that hangs in each of 3 attempts has abandoned all"
    )
    assert said(1, total=3.0) is None


def test_each_rule_has_its_words_and_its_silence() -> None:
    def asked(cases: list[dict[str, Any]]) -> list[tuple[lint_rule.Rule, str | None]]:
        """Each rule of the settings that it is about, and what it says to these."""
        there = map(settings_of, cases)
        return [(rule, rule.ask(s)) for s in there for rule in lint.RULES if {*rule.about} <= s.keys()]

    spoke = {rule for rule, text in asked([policies for policies, _ in SPEAKS]) if text}
    assert spoke == {*lint.RULES}
    kept_quiet = {rule for rule, text in asked(SILENT) if not text}
    # One says nothing of settings: it is asked of guards alone that have no timeout.
    assert {rule.check.__name__ for rule in spoke - kept_quiet} == {"shared_without_end"}


def test_several_findings_come_in_the_order_of_the_table() -> None:
    policies = {"retry": Retry(attempts=5), "timeout": Timeout(total=0.5), "fallback": Fallback(default=0)}
    first, second = findings(policies)
    assert first.startswith(
        "retry.attempts is 5: when each fails at once and back-off is at its longest, number 4 "
    )
    assert second.startswith("retry.attempts is 5 and timeout.attempt is None")


def test_a_family_of_guards_is_warned_of_once_and_told_of_in_full() -> None:
    registry = Registry("t")
    retry, timeout = Retry(), Timeout(total=6.0)
    with pytest.warns(PolicyWarning) as said:
        _ = [registry.guard(f"bank-{i}", retry=retry, timeout=timeout) for i in range(3)]
    assert [str(w.message).partition(":")[0] for w in said] == ["bank-0"]
    assert [text.partition(":")[0] for text in registry.lint()] == ["bank-0", "bank-1", "bank-2"]
    with pytest.warns(PolicyWarning):
        registry.guard("cache", retry=Retry(), timeout=timeout)


def test_warnings_as_errors_leave_no_guard_behind_and_come_again() -> None:
    registry, retry, timeout = Registry("t"), Retry(), Timeout(total=6.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(PolicyWarning, match=r"bank: retry\.attempts is 3"):
                registry.guard("bank", retry=retry, timeout=timeout)
    assert list(registry) == []


def test_what_was_looked_at_is_remembered_within_bounds() -> None:
    registry = Registry("t")
    for i in range(3 * lint.MOST_SEEN):
        registry.guard(f"g{i}", breaker=Breaker())
        assert 1 <= len(lint._seen) <= lint.MOST_SEEN
    assert lint._seen[next(reversed(lint._seen))] == (Breaker(),)


def test_the_same_policies_for_other_operations_are_looked_at_again() -> None:
    policies: dict[str, Any] = {"timeout": Timeout(total=5.0, by_operation={"read": Timeout(attempt=0.5)})}
    registry = Registry("t")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name, operations in (("a", ("read", "write")), ("b", ("read",)), ("c", ("read",))):
            registry.guard(name, operations=operations, **policies)
    assert [str(w.message)[:24] for w in said] == ["b: timeout.total of 5 s:"]


def test_the_reference_service_is_well_composed() -> None:
    from reference.guards import registry

    assert registry.lint() == ()
