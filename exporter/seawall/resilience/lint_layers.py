"""Rules of the composition lint about a pipeline: one of its layers, and those further in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from seawall.resilience.lint_rule import Finding, Policies, limit_of


def retries_multiply(own: Policies, below: Sequence[Policies]) -> Finding:
    attempts = [layer["retry"].attempts for layer in (own, *below) if "retry" in layer]
    if "retry" not in own or len([n for n in attempts if n > 1]) < 2 or own["retry"].attempts == 1:
        return None
    return f"retries multiply: one call may be {_product(attempts)} attempts; keep one retry"


def hedges_multiply(own: Policies, below: Sequence[Policies]) -> Finding:
    asked = [1 + layer["hedge"].most for layer in (own, *below) if "hedge" in layer]
    if "hedge" not in own or len(asked) == 1:
        return None
    return f"hedges multiply: one call may be {_product(asked)} at the same time; keep one hedge"


def copies_retried(own: Policies, below: Sequence[Policies]) -> Finding:
    attempts = [layer["retry"].attempts for layer in below if "retry" in layer]
    if "hedge" not in own or max(attempts, default=1) == 1:
        return None
    return (
        "hedge is around a retry: each copy is retried by itself, one call may be "
        f"{_product([1 + own['hedge'].most, *attempts])} attempts; put the hedge further in"
    )


def timeout_never_ends(own: Policies, below: Sequence[Policies]) -> Finding:
    if "timeout" not in own or (limit := limit_of(own["timeout"])) is None:
        return None
    for inner in (limit_of(layer["timeout"]) for layer in below if "timeout" in layer):
        if inner is not None and limit.seconds <= inner.seconds:
            return (
                f"timeout.{limit.scope} of {limit.seconds:g} s ends each call of the layers further in, "
                f"before the timeout.{inner.scope} of {inner.seconds:g} s that one of them has; set that "
                f"below {limit.seconds:g}, or leave it out"
            )
    return None


def copies_never_due(own: Policies, below: Sequence[Policies]) -> Finding:
    if "timeout" not in own or own["timeout"].by_operation or (limit := limit_of(own["timeout"])) is None:
        return None
    for delay in (layer["hedge"].delay for layer in below if "hedge" in layer):
        if limit.seconds <= delay:
            return (
                f"timeout.{limit.scope} of {limit.seconds:g} s ends each call of the layers further in, "
                f"before the hedge.delay of {delay:g} s that one of them has; set that well below "
                f"{limit.seconds:g}"
            )
    return None


#: What sharing a call further in is to a policy around it.
_TO_EACH = {
    "retry": "each who shares a failure asks again",
    "breaker": "one failure counts for each who shares it",
    "hedge": "a copy joins the call that it is to overtake",
}


def shared_too_far_in(own: Policies, below: Sequence[Policies]) -> Finding:
    said = [f"{kind} ({why})" for kind, why in _TO_EACH.items() if kind in own and not _once(kind, own)]
    if not said or "coalesce" in own or not any("coalesce" in layer for layer in below):
        return None
    return f"coalesce is further in than {', '.join(said)}; put it first"


def _once(kind: str, own: Policies) -> bool:
    """Whether it is a retry that never asks again."""
    return kind == "retry" and own["retry"].attempts == 1


def _product(factors: Iterable[int]) -> str:
    factors = tuple(factors)
    return f"{' x '.join(map(str, factors))} = {prod(factors)}"


RULES = (
    retries_multiply,
    hedges_multiply,
    copies_retried,
    timeout_never_ends,
    copies_never_due,
    shared_too_far_in,
)
