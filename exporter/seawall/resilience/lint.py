"""Composition lint: settings that are each allowed, and together do not do what they say.

A rule is a function: the policies that it is about in, what is wrong and what to do out, or ``None``. It says
only what is so whatever the dependency does. Rules stand by what they are about, with a table at the end of
each module: ``lint_retry``, ``lint_limits``, ``lint_copies``, and ``lint_layers`` for pipelines.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seawall.resilience import lint_copies, lint_layers, lint_limits, lint_retry
from seawall.resilience.lint_rule import Policies, Rule

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard

#: All rules that there are: of one guard, and of a pipeline's layer beside those further in.
RULES = (*lint_retry.RULES, *lint_limits.RULES, *lint_copies.RULES)
ACROSS = lint_layers.RULES
#: Sets of policies that are remembered as looked at.
MOST_SEEN = 32
_seen: dict[tuple[object, ...], tuple[Any, ...]] = {}


class PolicyWarning(UserWarning):
    """Policies of a guard that together do not do what they say. The guard works all the same."""


def look_at(guard: Guard, policies: Policies) -> None:
    """Warn of what is to be said, once for all guards that have the very same policies: a family's are."""
    layers = (policies, *[layer.policies for layer in guard.below])
    key = (guard.operations, *[tuple(map(id, layer.values())) for layer in layers])
    if key in _seen:
        return
    for text in findings(policies, guard.operations, layers[1:]):
        warnings.warn(f"{guard.name}: {text}", PolicyWarning, stacklevel=_builder())
    if len(_seen) >= MOST_SEEN:
        _seen.clear()
    # Kept together with its policies, an id stays theirs.
    _seen[key] = tuple([policy for layer in layers for policy in layer.values()])


def findings(
    policies: Policies, operations: Sequence[str], below: Sequence[Policies] = ()
) -> tuple[str, ...]:
    """What is to be said of a guard's policies, and of them beside those of the layers further in."""
    there = {**policies, "operations": operations}
    further_in = frozenset([name for layer in below for name in layer])
    said = [rule.ask(there) for rule in _rules_for(tuple(there), further_in)]
    said += [rule(policies, below) for rule in ACROSS if below]
    return tuple([text for text in said if text])


@lru_cache(maxsize=1024)
def _rules_for(names: tuple[str, ...], further_in: frozenset[str]) -> tuple[Rule, ...]:
    return tuple([rule for rule in RULES if rule.fits(frozenset(names), further_in)])


def _builder() -> int:
    """How far up the first frame is that is not of this library, as its caller counts frames."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("seawall."):
        frame, level = frame.f_back, level + 1
    return level
