"""The registry: the guards of a service by name, who listens to them, the document that describes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seawall.resilience import process
from seawall.resilience.description import document
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.events import EVENT_TYPES, Event, Listener
from seawall.resilience.observer import Observer

if TYPE_CHECKING:
    from seawall.resilience.family import Family
    from seawall.resilience.guard import Guard
    from seawall.resilience.retry_account import Pool

_log = logging.getLogger("seawall")


class Registry:
    """Guards by name. ``service`` names the whole in the policy document.

    Listeners run in the caller's thread or task, after all locks are released; when the time of an open
    breaker is over and nobody calls, in the timer's thread (``timer.py``). One that raises is counted in
    ``listener_errors``, logged once, and the call goes on.
    """

    def __init__(self, service: str = "service") -> None:
        self.service = service
        self.observer: Observer | None = None
        self.listener_errors: dict[str, int] = {}
        self._guards: dict[str, Guard] = {}
        self._families: dict[str, Family] = {}
        self._listeners: dict[Listener, tuple[str, tuple[type, ...]]] = {}
        self._by_type: dict[type, tuple[tuple[str, Listener], ...]] = {}
        self._advised: set[str] = set()
        self.retry_budgets: dict[str, Pool] = {}
        #: Told of guards that come and go, in the thread that builds or removes them.
        self.joined: set[Callable[[Guard], None]] = set()
        self.left: set[Callable[[Guard], None]] = set()
        self._lock = threading.RLock()
        process.remember_registry(self)

    def guard(self, name: str, **settings: Any) -> Guard:
        """Build a guard in this registry; settings as of :class:`Guard`."""
        from seawall.resilience.guard import Guard

        return Guard(name, registry=self, **settings)

    def family(self, name: str, **settings: Any) -> Family:
        """Build a family of guards by key in this registry; settings as of :class:`Family`."""
        from seawall.resilience.family import Family

        return Family(name, registry=self, **settings)

    def add(self, guard: Guard) -> None:
        """Called by the guard when it is built. ``ConfigurationError`` when the name is taken."""
        with self._lock:
            self._check_free(guard.name)
            self._guards = {**self._guards, guard.name: guard}
        guard.observer_changed()
        for told in tuple(self.joined):
            told(guard)

    def add_family(self, family: Family) -> None:
        """Called by the family when it is built. ``ConfigurationError`` when the name is taken."""
        with self._lock:
            self._check_free(family.name)
            self._families = {**self._families, family.name: family}

    def remove(self, name: str) -> None:
        """Forget a guard: its series end with the next scrape."""
        with self._lock:
            gone = self._guards.get(name)
            self._guards = dict(self._guards)
            self._guards.pop(name, None)
        if gone is not None:
            for told in tuple(self.left):
                told(gone)

    def get(self, name: str) -> Guard | None:
        return self._guards.get(name)

    def __iter__(self) -> Iterator[Guard]:
        return iter(self._guards.values())

    def __len__(self) -> int:
        return len(self._guards)

    def describe(self) -> dict[str, Any]:
        """The policy document, guards by name; one entry for a family, whoever its members are."""
        alone = [guard for guard in self if not guard.family]
        return document(self.service, [*alone, *self._families.values()])

    def lint(self) -> tuple[str, ...]:
        """What is to be mended in the policies, guard by guard: see :meth:`Guard.lint`."""
        alone = [(guard.name, guard) for guard in self if not guard.family]
        families = [(f.name, f.other) for f in self._families.values() if f.other is not None]
        return tuple([f"{name}: {text}" for name, guard in (*alone, *families) for text in guard.lint()])

    def subscribe(self, listener: Listener, *, name: str = "", events: Sequence[type] = ()) -> None:
        """Hand events of these types (all, when none is named) to ``listener``.

        ``name`` labels its errors.
        """
        label = name or str(getattr(listener, "__qualname__", type(listener).__name__))
        with self._lock:
            self.listener_errors.setdefault(label, 0)
            self._listeners = {**self._listeners, listener: (label, tuple(events) or EVENT_TYPES)}
            self._index()

    def unsubscribe(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = {k: v for k, v in self._listeners.items() if k != listener}
            self._index()

    def observe(self, observer: Observer | None) -> None:
        """Let ``observer`` follow calls (see ``observer.py``); ``None`` ends it."""
        if observer is not None:
            self.listener_errors.setdefault("observer", 0)
        self.observer = observer
        for guard in self:
            guard.observer_changed()

    def listeners_of(self, kind: type) -> tuple[tuple[str, Listener], ...]:
        return self._by_type.get(kind, ())

    def hand_out(self, listeners: tuple[tuple[str, Listener], ...], event: Event) -> None:
        for name, listener in listeners:
            try:
                listener(event)
            except Exception as error:
                self.count_listener_error(name, error)

    def count_listener_error(self, name: str, error: BaseException | None = None, advice: str = "") -> None:
        """``advice``: what to do about it, logged once; without any, the first error of each name is."""
        self.listener_errors[name] = self.listener_errors.get(name, 0) + 1
        if advice:
            if advice not in self._advised:
                self._advised.add(advice)
                _log.warning(advice)
        elif self.listener_errors[name] == 1:
            kind = type(error).__name__ if error else "an exception"
            _log.warning("listener %s raised %s; further errors are counted, not logged", name, kind)

    def restart(self) -> None:
        """In a forked child: whoever held the lock is not here."""
        self._lock = threading.RLock()
        for family in self._families.values():
            family.restart()

    def _check_free(self, name: str) -> None:
        if name in self._guards or name in self._families:
            taken = f"Registry {self.service!r}: guard {name!r} exists already; allowed: each once"
            raise ConfigurationError([taken])

    def _index(self) -> None:
        self._by_type = {
            kind: tuple(
                (name, listener) for listener, (name, kinds) in self._listeners.items() if kind in kinds
            )
            for kind in EVENT_TYPES
        }
        for guard in self:
            guard.audience_changed()


default_registry = Registry()
