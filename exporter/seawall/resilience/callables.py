"""What can be guarded, and how: one look at a callable when it is decorated.

==============================================  ==========================================================
what                                            under the guard
==============================================  ==========================================================
``def``, method, ``partial``, callable object   the call
``async def``, ``def -> Awaitable[...]``        the call and its await; it begins when awaited
generator, async generator                      the iteration (``generators.py``)
``@contextmanager``, ``@asynccontextmanager``   the ``with`` block, from entering to leaving (``block.py``)
``classmethod``, ``staticmethod``               the function in it
==============================================  ==========================================================

Anything else is refused when decorated. That a ``def`` hands back what has not begun (a coroutine, a
generator) can't be known before; it is refused when it first does (``unbegun.py``). Nothing runs unguarded
in silence.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn, get_origin

from seawall.resilience.block import block_of
from seawall.resilience.building import refuse_parts
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.generators import async_generator, generator
from seawall.resilience.unbegun import ASYNC_HELPER, HELPER, name_of

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

FUNCTION, COROUTINE, GENERATOR, ASYNC_GENERATOR = "function", "coroutine", "generator", "async generator"
CONTEXT, ASYNC_CONTEXT = "context manager", "async context manager"

_KINDS = {
    inspect.CO_COROUTINE: COROUTINE,
    inspect.CO_ITERABLE_COROUTINE | inspect.CO_GENERATOR: COROUTINE,
    inspect.CO_GENERATOR: GENERATOR,
    inspect.CO_ASYNC_GENERATOR: ASYNC_GENERATOR,
}
_ANY_FLAG = functools.reduce(int.__or__, _KINDS)
_ALLOWED = "functions, generators, context managers, methods, partials, callable objects; def or async def"
_DESCRIPTORS = (
    property,
    functools.cached_property,
    functools.partialmethod,
    functools.singledispatchmethod,
)
#: ``asyncio``'s mark on what is a coroutine function although it does not look it.
_MARK = getattr(asyncio.coroutines, "_is_coroutine", None)


def kind_of(thing: Any) -> str:
    """Which of the kinds above a callable is: a class is called like a function.

    :class:`ConfigurationError` says why it is none.
    """
    inner = thing
    while type(inner) is not FunctionType:
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif isinstance(inner, MethodType):
            inner = inner.__func__
        elif not callable(inner):
            _refuse(inner)
        elif _marked(inner):
            return COROUTINE
        elif not isinstance(inner, type) and isinstance(type(inner).__call__, FunctionType):
            inner = type(inner).__call__
        else:
            return FUNCTION
    code = inner.__code__
    if flags := code.co_flags & _ANY_FLAG:
        return _KINDS[flags]
    if code is HELPER:
        return CONTEXT
    if code is ASYNC_HELPER:
        return ASYNC_CONTEXT
    if inner.__dict__ and _marked(inner):
        return COROUTINE
    return _promised(inner)


def guarded(op: Operation, thing: Any) -> Any:
    """What stands in for ``thing``: under the guard, of its kind, with its name and signature."""
    if isinstance(thing, classmethod | staticmethod):
        return type(thing)(guarded(op, thing.__func__))
    try:
        if isinstance(thing, type):
            _refuse(thing)
        kind = kind_of(thing)
    except ConfigurationError as error:
        raise ConfigurationError([f"{op.dependency}: {why}" for why in error.problems]) from None
    if kind not in (FUNCTION, COROUTINE):
        refuse_parts(op, f"{name_of(thing)} ({kind})")
    wrapped = _GUARDS[kind](op, thing)
    named = thing
    while isinstance(named, functools.partial):
        named = named.func
    if inspect.isroutine(named):
        functools.update_wrapper(wrapped, named)
    else:
        # What a callable object holds is its own: only the name goes over.
        functools.update_wrapper(wrapped, type(named), updated=())
    wrapped.__wrapped__ = thing
    return wrapped


def awaitable(op: Operation, function: Any) -> Any:
    """The function, if what it gives can be awaited; else :class:`ConfigurationError`, before it runs."""
    if (kind := kind_of(function)) in (FUNCTION, COROUTINE):
        return function
    why = f"{name_of(function)} is a {kind}; allowed: call() it, or decorate it"
    raise ConfigurationError([f"{op.dependency}: can't await it, {why}"])


def _function(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    return op.functions(op, function, new=True)


def _coroutine(op: Operation, function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    return op.coroutines(op, function)


def _context(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def call(*args: Any, **kwargs: Any) -> Generator[Any]:
        manager = function(*args, **kwargs)
        with block_of(op, args, kwargs), manager as value:
            yield value

    return call


def _async_context(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    @asynccontextmanager
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        manager = function(*args, **kwargs)
        async with block_of(op, args, kwargs), manager as value:
            yield value

    return call


_GUARDS: dict[str, Callable[[Operation, Callable[..., Any]], Any]] = {
    FUNCTION: _function,
    COROUTINE: _coroutine,
    GENERATOR: generator,
    ASYNC_GENERATOR: async_generator,
    CONTEXT: _context,
    ASYNC_CONTEXT: _async_context,
}


def _marked(thing: Any) -> bool:
    """Whether it is declared to be a coroutine function although it does not look it."""
    return inspect.iscoroutinefunction(thing) or (
        _MARK is not None and getattr(thing, "_is_coroutine", None) is _MARK
    )


def _promised(function: FunctionType) -> str:
    """The kind of a ``def`` by its declared result: an awaitable is awaited under the guard."""
    declared: Any = function.__annotations__.get("return")
    if declared is None:
        return FUNCTION
    if isinstance(declared, str):
        declared = _last_name(declared)
        kept, more = declared in ("Awaitable", "Coroutine"), declared in ("Future", "Task")
    else:
        declared = get_origin(declared) or declared
        kept = declared in (Awaitable, Coroutine)
        more = isinstance(declared, type) and issubclass(declared, Awaitable)
    if kept:
        return COROUTINE
    if more:
        why = "whose result is more than an awaitable: under a guard it could only be awaited"
        raise ConfigurationError([f"can't guard {name_of(function)}, {why}; allowed: async def"])
    return FUNCTION


@functools.lru_cache(maxsize=1024)
def _last_name(annotation: str) -> str:
    """``collections.abc.Awaitable[int]`` -> ``Awaitable``; "" when it is no plain type."""
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _last_name(node.value)
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _refuse(thing: Any) -> NoReturn:
    why = "which can't be called"
    if isinstance(thing, type):
        why = "a class: guard the method that does the work"
    elif isinstance(thing, _DESCRIPTORS):
        why = "a descriptor: guard the function below it"
    elif inspect.isawaitable(thing) or inspect.isgenerator(thing) or inspect.isasyncgen(thing):
        why = "which was called already: guard the function"
    raise ConfigurationError([f"can't guard {name_of(thing)}, {why}; allowed: {_ALLOWED}"])
