"""A pipeline: policies in an order of one's own, as a stack of guards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from math import inf
from operator import attrgetter
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from seawall.resilience import registry as registries
from seawall.resilience.breaker import Breaker
from seawall.resilience.building import Builder
from seawall.resilience.bulkhead import Bulkhead
from seawall.resilience.callables import FUNCTION, awaitable, kind_of
from seawall.resilience.checks import Checks
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.deadline import Clock
from seawall.resilience.description import Objectives
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.fallback import Fallback
from seawall.resilience.fields import DEFAULT_BUCKETS
from seawall.resilience.guard import Guard
from seawall.resilience.guard_checks import POLICIES, check_guard
from seawall.resilience.guarding import Guarding
from seawall.resilience.hedge import Hedge
from seawall.resilience.lint import look_at
from seawall.resilience.operation import Operation
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.retry import Retry
from seawall.resilience.timeout import Timeout
from seawall.resilience.unbegun import refuse_unbegun

P = ParamSpec("P")
R = TypeVar("R")

Policy = Breaker | Retry | Timeout | Bulkhead | RateLimit | Fallback | Hedge | Coalesce
#: The order within a layer, outermost first.
ORDER = (
    "coalesce", "fallback", "total_timeout", "retry", "breaker", "rate_limit", "bulkhead", "attempt_timeout",
    "hedge",
)  # fmt: skip
#: How a layer puts a function under itself: with its hedge and its shared executions.
_functions, _coroutines = attrgetter("functions"), attrgetter("coroutines")
#: Of several breakers the one that lets the fewest through is what a caller meets.
_SHUT_FIRST = ("forced_open", "open", "half_open", "metrics_only", "disabled", "closed", "")


class Layered(Guarding):
    """What a pipeline and its operations have in common: each layer guards the one further in."""

    __slots__ = ()

    def _operation(self) -> Operation:
        return self._layers()[0]

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it as if it were decorated: a generator is guarded while it is iterated, and so on."""
        if kind_of(function) != FUNCTION:
            return self(function)(*args, **kwargs)
        result = _wrapped(self._layers(), function, _functions)(*args, **kwargs)
        refuse_unbegun(self._operation().dependency, function, result)
        return cast("R", result)

    async def acall(self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Await a coroutine function, or a function that hands back an awaitable."""
        layers = self._layers()
        run = _wrapped(layers, awaitable(layers[0], function), _coroutines)
        return cast("R", await run(*args, **kwargs))


class LayeredOperation(Layered):
    """One operation of a pipeline, in all its layers."""

    __slots__ = ("_guards", "name")

    def __init__(self, guards: Sequence[Guard], name: str) -> None:
        self.name = name
        self._guards = tuple(guards)

    def _layers(self) -> tuple[Operation, ...]:
        return tuple([guard.operation(self.name) for guard in self._guards])


class Pipeline(Layered):
    """Policies around the calls to one dependency, in the order that they are given, outermost first.

    name: as of a :class:`Guard`; with ``/2``, ``/3`` ... it names the layers further in.
    policies: at least one; a kind may come more than once. A Timeout has one of attempt and total: its place
        says what it bounds.
    objectives: what callers are promised; they are the outermost layer's. All else as of a :class:`Guard`,
        and the same in all layers.

    The policies are gathered into as few guards as the fixed order of a guard allows. Each is a guard of its
    own, with its own series: the calls of the first are what callers felt, the attempts of the last are what
    the dependency was asked. What a layer rejects is ``rejected`` in those around it: no failure for their
    breakers, not retried, answered by their fallbacks. Raises :class:`ConfigurationError` with all that is
    wrong; then no layer is left in the registry.
    """

    def __init__(
        self,
        name: str,
        policies: Sequence[Policy],
        *,
        operations: Sequence[str] = (),
        criticality: str = "default",
        description: str = "",
        objectives: Objectives | None = None,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        registry: registries.Registry | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        checks = Checks(f"Pipeline {name!r}")
        gathered = _gather(policies, checks)
        names = [name, *(f"{name}/{i}" for i in range(2, len(gathered) + 1))]
        for layer in gathered or [{}]:
            try:
                check_guard(name, layer, operations, criticality, objectives, buckets)
            except ConfigurationError as error:
                checks.problems += [problem for problem in error.problems if problem not in checks.problems]
        checks.done()
        registry = registry if registry is not None else registries.default_registry
        settings: dict[str, Any] = {
            "operations": operations, "criticality": criticality, "description": description,
            "buckets": buckets, "registry": registry, "clock": clock, "sleep": sleep, "asleep": asleep,
        }  # fmt: skip
        layers: list[Guard] = []
        try:
            for layer_name, layer in zip(names, gathered, strict=True):
                promised = None if layers else objectives
                layers.append(_Layer(layer_name, objectives=promised, **layer, **settings))
            for i, guard in enumerate(layers):
                guard.below = tuple(layers[i + 1 :])
                look_at(guard, guard.policies)
        except BaseException:
            for guard in layers:
                registry.remove(guard.name)
            raise
        self.name = name
        self.layers = tuple(layers)
        self._by_name = {o: LayeredOperation(layers, o) for o in layers[0].operations}

    def _layers(self) -> tuple[Operation, ...]:
        return self.operation("default")._layers()

    def operation(self, name: str) -> LayeredOperation:
        """A declared operation. ``ConfigurationError`` names those that there are."""
        self.layers[0].operation(name)
        return self._by_name[name]

    def __enter__(self) -> None:
        """Guard a block: one attempt. A block can't run twice, so retries and fallbacks stay out."""
        with ExitStack() as entered:
            for layer in self.layers:
                entered.enter_context(layer)
            entered.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = ExitStack()
        for layer in self.layers:
            leaving.push(layer.__exit__)
        leaving.__exit__(kind, error, trace)

    async def __aenter__(self) -> None:
        async with AsyncExitStack() as entered:
            for layer in self.layers:
                await entered.enter_async_context(layer)
            entered.pop_all()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = AsyncExitStack()
        for layer in self.layers:
            leaving.push_async_exit(layer.__aexit__)
        await leaving.__aexit__(kind, error, trace)

    @property
    def state(self) -> str:
        """Of its breakers' states the one that lets the fewest through; "" without a breaker."""
        return min((layer.state for layer in self.layers), key=_SHUT_FIRST.index)

    def describe(self) -> dict[str, Any]:
        """Its layers as they stand in the policy document, outermost first."""
        return {"name": self.name, "layers": [layer.describe() for layer in self.layers]}

    def lint(self) -> tuple[str, ...]:
        """What its policies together do not do, and how to mend it, layer by layer."""
        return tuple([f"{layer.name}: {text}" for layer in self.layers for text in layer.lint()])


class _Layer(Guard):
    def _look(self) -> None:
        """Its pipeline looks, when all layers are there."""


class _Inner:
    """A function under the layers further in. Equal for equal functions: former answers are found by it."""

    __slots__ = ("_run", "timed")

    def __init__(self, function: Callable[..., Any], run: Callable[..., Any]) -> None:
        self.timed = function
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Inner) and self.timed == other.timed

    def __hash__(self) -> int:
        return hash(self.timed)


def _wrapped(
    layers: tuple[Operation, ...], function: Callable[..., Any], builder: Callable[[Operation], Builder]
) -> Callable[..., Any]:
    run = builder(layers[-1])(layers[-1], function)
    for op in reversed(layers[:-1]):
        run = builder(op)(op, _Inner(function, run))
    return run


def _gather(policies: Sequence[Policy], checks: Checks) -> list[dict[str, Any]]:
    """The settings of each layer, as a guard takes them, outermost first."""
    if not isinstance(policies, list | tuple) or not policies:
        checks.fail("policies", policies, "a list of at least one policy")
        return []
    layers: list[dict[str, Any]] = []
    last: float = inf
    for i, policy in enumerate(policies):
        kind = next((kind for kind, type_ in POLICIES.items() if isinstance(policy, type_)), "")
        if not kind:
            allowed = ", ".join(type_.__name__ for type_ in POLICIES.values())
            checks.fail(f"policies[{i}]", policy, f"a policy: {allowed}")
            continue
        place = kind
        if isinstance(policy, Timeout):
            bounds_calls = policy.sets("total")
            if bounds_calls and (policy.sets("attempt") or policy.sets("attempt_for")):
                checks.fail(
                    f"policies[{i}]", policy, "one of attempt and total: its place says what it bounds"
                )
            place = "total_timeout" if bounds_calls else "attempt_timeout"
        rank = ORDER.index(place)
        both = _both(layers[-1].get(kind) if rank > last else None, policy)
        if rank <= last or both is None:
            layers.append({})
        last = rank
        layers[-1][kind] = both or policy
    return layers


def _both(total: Timeout | None, policy: Policy) -> Policy | None:
    """A layer's policy; its two timeouts are one, if one can hold both."""
    if total is None:
        return policy
    assert isinstance(policy, Timeout)
    if total.total is None or policy.attempt is None or policy.attempt > total.total:
        return None
    if total != Timeout(total=total.total) or policy != Timeout(attempt=policy.attempt):
        return None
    return Timeout(attempt=policy.attempt, total=total.total)
