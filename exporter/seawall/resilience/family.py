"""Keyed families: a guard for each key (a tenant, a host, a partner), at most so many of them.

``family["acme"]`` is the guard ``partner/acme``, built when it is first asked for. Keys come with requests:
there may be any number of them, and the number of guards, and of series, is bounded all the same.

When there is no room, the member that was unused longest makes some, if it has been for ``idle_for`` seconds
and nothing but counts would be lost with it: no call inside, queued or left to a worker thread, breaker
closed, rate limit at its full burst. Its series end. If nobody can go, or the key makes no legal name, the
key is served by ``partner/other``, and that is counted.

What a member had counted goes with it: rates were taken of it as it came, and in another member's series it
would look as if it all happened at once.

Who holds on to the guard of a member that has gone is served by whatever serves its key now. A call that was
in flight then (a guard without bulkhead can't know of it) ends where it began, and is counted in the other.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import update_wrapper
from math import inf
from typing import Any, ParamSpec, TypeVar, cast
from weakref import finalize

from seawall.resilience import registry as registries
from seawall.resilience.callables import COROUTINE, FUNCTION, kind_of
from seawall.resilience.checks import Checks
from seawall.resilience.description import digest
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.guard import Guard
from seawall.resilience.guard_checks import LEGAL, legal_name
from seawall.resilience.member import Gone, Member
from seawall.resilience.reconfigure import apply, tell

P = ParamSpec("P")
R = TypeVar("R")

#: The member that serves every key without one of its own.
OTHER = "other"
#: Seconds between two looks for members that can go, when there was none.
LOOK_AGAIN = 1.0
#: Ledgers of members that have gone, from which it is worth looking which of them nobody holds any more.
MANY_GONE = 64


class Family:
    """Guards by key. Built by :meth:`Registry.family`.

    name: of the family; its guards are ``name/key``, with ``name/other`` for all keys without one.
    most: members beside ``name/other``, 1 to 10,000. 100: each is a few hundred series.
    idle_for: seconds without a call after which a member may go, >= 1. 300: its last counts were scraped, and
        what Prometheus still shows of a series that ended is gone by then too.
    settings: as of :class:`Guard`, the same for all.

    The policy document has one entry for the family, and every member shows the hash of it.
    """

    def __init__(
        self,
        name: str,
        *,
        most: int = 100,
        idle_for: float = 300.0,
        registry: registries.Registry | None = None,
        **settings: Any,
    ) -> None:
        checks = Checks(f"Family {name!r}")
        checks.number("most", most, at_least=1, at_most=10_000, whole=True)
        checks.number("idle_for", idle_for, at_least=1)
        if not legal_name(name):
            checks.fail("name", name, f"1 to 194 {LEGAL}")
        self.name = name
        self.most = most
        self.idle_for = idle_for
        self.registry = registry if registry is not None else registries.default_registry
        #: Look-ups that ``other`` served: ``full``, ``illegal``, ``taken``; and members that have gone.
        self.overflowed: Counter[str] = Counter()
        self.evicted = 0
        self._settings = settings
        self._clock = settings.get("clock", time.monotonic)
        self._members: dict[str, Member] = {}
        self._idle: deque[tuple[float, str]] = deque()
        self._look_at = -inf
        self._gone: list[Gone] = []
        self._many = MANY_GONE
        self._lock = threading.RLock()
        self.other: Member | None = None
        try:
            self.other = Member(self, OTHER, **settings)
            if not checks.problems:
                self.registry.add_family(self)
        except ConfigurationError as error:
            checks.problems += error.problems
        if checks.problems and self.other is not None:
            self.registry.remove(self.other.name)
        checks.done()

    def get(self, key: str) -> Guard:
        """The guard of a key. One dictionary look-up for a member; no lock."""
        try:
            return self._members[key]
        except (KeyError, TypeError):
            return self._admit(key)

    __getitem__ = get

    def __contains__(self, key: object) -> bool:
        """Whether the key has a member of its own."""
        return key in self._members

    def __iter__(self) -> Iterator[str]:
        """The keys that have a member of their own."""
        return iter(tuple(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def __call__(self, *, key: Callable[P, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Guard a function, ``def`` or ``async def``, each call by the guard of its key.

        key: from the call's arguments to the key.
        """

        def decorate(function: Any) -> Any:
            if isinstance(function, classmethod | staticmethod):
                return type(function)(decorate(function.__func__))
            kind = kind_of(function)
            if kind not in (FUNCTION, COROUTINE):
                why = f"{self.name}: can't guard a {kind} by key; allowed: functions, def or async def"
                raise ConfigurationError([why])
            # What the guards refuse is refused here, before any call.
            first = cast("Member", self.other)(function)
            token = id(first)

            def lane(*args: P.args, **kwargs: P.kwargs) -> Callable[..., Any]:
                member = cast("Member", self.get(key(*args, **kwargs)))
                found = member.lanes.get(token)
                if found is None:
                    found = member.lanes[token] = first if member is self.other else member(function)
                return found

            def call(*args: P.args, **kwargs: P.kwargs) -> Any:
                return lane(*args, **kwargs)(*args, **kwargs)

            async def acall(*args: P.args, **kwargs: P.kwargs) -> Any:
                return await lane(*args, **kwargs)(*args, **kwargs)

            # Functions may be decorated anew with each request: what members keep of one goes with it.
            finalize(lane, self._forget, token).atexit = False
            return update_wrapper(call if kind == FUNCTION else acall, function)

        return decorate

    def describe(self) -> dict[str, Any]:
        """The family's entry of the policy document."""
        assert self.other is not None
        return self.entry(Guard.describe(self.other))

    def entry(self, part: dict[str, Any]) -> dict[str, Any]:
        """What any member says of itself, as the family's."""
        bounds = {"most": self.most, "idle_for": self.idle_for}
        entry = {k: v for k, v in part.items() if k != "hash"} | {"name": self.name, "family": bounds}
        return entry | {"hash": digest(entry)}

    def reconfigure(self, **changes: Any) -> None:
        """Other settings for all members and those to come, as of :meth:`Guard.reconfigure`."""
        assert self.other is not None
        changes = {name: settings for name, settings in changes.items() if settings is not None}
        with self._lock:
            # What can't be done with one can't be done with any.
            apply(self.other, changes)
            self._settings = {**self._settings, **changes}
            for member in self._members.values():
                apply(member, changes)
        tell(self.other, changes)

    def settle(self) -> None:
        """Count in the other what calls came to that outlived their member. Skipped while a member comes."""
        if self._lock.acquire(blocking=False):
            try:
                self._carry()
            finally:
                self._lock.release()

    def restart(self) -> None:
        """In a forked child: all counts begin anew, and whoever held the lock is not here."""
        self._lock = threading.RLock()
        self._gone = []

    # -- members come and go

    def _admit(self, key: str) -> Guard:
        assert self.other is not None
        if key == OTHER:
            return self.other
        with self._lock:
            if not isinstance(key, str) or not key or not legal_name(f"{self.name}/{key}"):
                return self._overflow("illegal")
            if key in self._members:
                return self._members[key]
            if not self._free(f"{self.name}/{key}"):
                return self._overflow("taken")
            if len(self._members) >= self.most and not self._make_room():
                return self._overflow("full")
            member = self._members[key] = Member(self, key, **self._settings)
            return member

    def _free(self, name: str) -> bool:
        """Whether the registry has no such guard, but for a member that was half way in or out when an
        interrupt came, or a fork: that goes now."""
        found = self.registry.get(name)
        if not isinstance(found, Member) or found.of is not self:
            return found is None
        with found.lock:
            if not found.gone:
                self._gone.append(Gone(found))
        self.registry.remove(name)
        return True

    def _overflow(self, why: str) -> Guard:
        assert self.other is not None
        self.overflowed[why] += 1
        return self.other

    def _make_room(self) -> bool:
        """Let the member go that was unused longest, if one can."""
        now = self._clock()
        while True:
            while self._idle:
                used, key = self._idle.popleft()
                member = self._members.get(key)
                if member is not None and member.last_used() == used and self._let_go(member):
                    return True
            if now < self._look_at:
                return False
            self._look_at = now + LOOK_AGAIN
            found = ((member.last_used(), key) for key, member in self._members.items())
            self._idle = deque(sorted((used, key) for used, key in found if used <= now - self.idle_for))

    def _let_go(self, member: Member) -> bool:
        with member.lock:
            if not member.can_go():
                return False
            del self._members[member.key]
            gone = Gone(member)
        self.registry.remove(member.name)
        self.evicted += 1
        self._gone.append(gone)
        if len(self._gone) > self._many:
            self._carry()
            self._many = max(MANY_GONE, 2 * len(self._gone))
        return True

    def _carry(self) -> None:
        for gone in self._gone:
            if gone.counted():
                self._take_over(gone)
        self._gone = [gone for gone in self._gone if not gone.over]

    def _take_over(self, gone: Gone) -> None:
        """Count in ``other`` what a member has counted since it went, or since this was last done."""
        other = self.other
        assert other is not None
        with other.lock:
            now, ledger = other.clock(), other.ledger
            other.accounts.learn_mean()
            if other.budget is not None:
                other.budget.roll(now)
            for slot, number in gone.news(ledger):
                ledger.add(slot, number)
            # None of it is news of this guard's own: neither its budget nor its mean time learns from it.
            other.accounts.start_over()
            if other.budget is not None:
                other.budget.start_over()

    def _forget(self, token: int) -> None:
        """A function that was decorated is there no more."""
        for member in (*self._members.values(), cast("Member", self.other)):
            member.lanes.pop(token, None)
