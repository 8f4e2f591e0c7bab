"""What a helper is given: a guard, a pipeline of several, an operation of either. All else is refused."""

from __future__ import annotations

from seawall.resilience.guard import Guard
from seawall.resilience.operation import Operation
from seawall.resilience.pipeline import LayeredOperation, Pipeline

Subject = Guard | Pipeline | Operation | LayeredOperation
_GUARDS = "a Guard, a Pipeline"


def layers(of: Guard | Pipeline, allowed: str = _GUARDS) -> tuple[Guard, ...]:
    """Its guards, outermost first."""
    if isinstance(of, Guard):
        return (of,)
    if isinstance(of, Pipeline):
        return of.layers
    raise TypeError(f"of is {of!r}; allowed: {allowed}")


def places(of: Subject) -> tuple[tuple[Guard, str | None], ...]:
    """Its guards, outermost first, and the operation that is meant; ``None`` for all."""
    if isinstance(of, Operation | LayeredOperation):
        return tuple([(op.guard, op.name) for op in of._layers()])
    return tuple([(guard, None) for guard in layers(of, f"{_GUARDS}, an operation of one")])


def with_breaker(of: Guard | Pipeline) -> Guard:
    """Its guard that has a breaker."""
    found = [guard for guard in layers(of) if guard.breaker is not None]
    if not found:
        raise ValueError(f"{of.name} has no breaker; allowed: a guard with one")
    if len(found) > 1:
        names = ", ".join(guard.name for guard in found)
        raise ValueError(f"{of.name} has {len(found)} breakers, of {names}; allowed: one of these layers")
    return found[0]
