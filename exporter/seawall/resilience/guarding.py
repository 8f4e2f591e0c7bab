"""How people put a callable under a guard or under one of its operations: as a decorator, or call by call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from seawall.resilience.callables import FUNCTION, awaitable, guarded, kind_of
from seawall.resilience.unbegun import refuse_unbegun

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Guarding:
    """What a guard and its operations have in common. Signatures and types stay what they are."""

    __slots__ = ()

    @abstractmethod
    def _operation(self) -> Operation: ...

    def _layers(self) -> tuple[Operation, ...]:
        """Outermost first; a :class:`Pipeline` has several."""
        return (self._operation(),)

    @overload
    def __call__(self, function: staticmethod[P, R], /) -> staticmethod[P, R]: ...
    @overload
    def __call__(self, function: classmethod[T, P, R], /) -> classmethod[T, P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    def __call__(self, function: Any, /) -> Any:
        """Guard a function, generator or context manager, ``def`` or ``async def``: see ``callables.py``.

        :class:`ConfigurationError` for what can't be guarded.
        """
        for op in reversed(self._layers()):
            function = guarded(op, function)
        return function

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it as if it were decorated: a generator is guarded while it is iterated, and so on."""
        op = self._operation()
        if kind_of(function) != FUNCTION:
            return cast("R", guarded(op, function)(*args, **kwargs))
        result = op.functions(op, function)(*args, **kwargs)
        refuse_unbegun(op.dependency, function, result)
        return cast("R", result)

    async def acall(self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Await a coroutine function, or a function that hands back an awaitable."""
        op = self._operation()
        return cast("R", await op.coroutines(op, awaitable(op, function))(*args, **kwargs))
