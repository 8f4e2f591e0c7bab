"""A family against what was asked of it: bounded, nothing forgotten, and nobody goes who is in trouble."""

from __future__ import annotations

from contextvars import Context, copy_context

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from seawall.resilience import Breaker, Bulkhead, Guard, Registry, Rejected, Retry
from seawall.resilience.member import Member
from seawall.testing import ManualClock

MOST, IDLE = 3, 60.0
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "other", "", "f\n"])

Counts = dict[tuple[str, ...], float]


# Some settings do not go together: that is when it gets tight.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class FamilyMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.registry = Registry("t")
        self.family = self.registry.family(
            "p",
            most=MOST,
            idle_for=IDLE,
            clock=self.clock,
            sleep=self.clock.sleep,
            breaker=Breaker(minimum_calls=2, window_calls=4, open_for=90),
            retry=Retry(attempts=2, base_delay=0.5, jitter="none"),
            bulkhead=Bulkhead(limit=1),
        )
        self.calls = 0
        self.held: list[Guard] = []
        self.inside: list[tuple[Context, Guard]] = []
        self.members: dict[str, Guard] = {}
        #: Calls that the other served, and what those have counted that went.
        self.served_by_other = 0
        self.went: Counts = {}
        self.registry.left.add(lambda guard: self.add(self.went, guard))
        self.before: Counts = self.sums()

    def sums(self) -> Counts:
        found = dict(self.went)
        for guard in self.registry:
            self.add(found, guard)
        return found

    def add(self, found: Counts, guard: Guard) -> None:
        reading = guard.read()
        for entry in guard.ledger.layout.entries:
            if entry.field.kind != "gauge":
                for i in range(entry.size):
                    key = (entry.field.name, *entry.labels, str(i))
                    if entry.field.name == "errors":
                        key = ("errors",)
                    found[key] = found.get(key, 0) + reading[entry.offset + i]

    def serving(self, guard: Guard) -> Guard:
        """Who serves the calls of a guard that is held."""
        assert isinstance(guard, Member)
        return self.family[guard.key] if guard.gone else guard

    def ask(self, guard: Guard, good: bool) -> None:
        self.calls += 1
        self.served_by_other += self.serving(guard) is self.family.other
        try:
            guard.call(self.body, good)
        except (ConnectionError, Rejected):
            return

    def body(self, good: bool) -> None:
        if not good:
            raise ConnectionError

    @rule(key=KEYS, good=st.booleans())
    def call(self, key: str, good: bool) -> None:
        self.ask(self.family[key], good)

    @rule(key=KEYS)
    def hold(self, key: str) -> None:
        self.held.append(self.family[key])

    @precondition(lambda self: self.held)
    @rule(good=st.booleans(), data=st.data())
    def call_what_is_held(self, good: bool, data: st.DataObject) -> None:
        self.ask(data.draw(st.sampled_from(self.held)), good)

    @rule(key=KEYS)
    def enter(self, key: str) -> None:
        guard, context = self.family[key], copy_context()
        self.calls += 1
        self.served_by_other += guard is self.family.other
        try:
            context.run(guard.__enter__)
        except Rejected:
            return
        self.inside.append((context, guard))

    @precondition(lambda self: self.inside)
    @rule()
    def leave(self) -> None:
        context, guard = self.inside.pop()
        context.run(guard.__exit__, None, None, None)

    @rule(seconds=st.sampled_from([0.5, 2.0, 30.0, 61.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(limit=st.integers(1, 3))
    def reconfigure(self, limit: int) -> None:
        self.family.reconfigure(bulkhead=Bulkhead(limit=limit))

    @invariant()
    def bounded(self) -> None:
        assert len(self.family) <= MOST
        assert len(self.registry) == len(self.family) + 1

    @invariant()
    def nobody_goes_who_is_in_trouble(self) -> None:
        now = {key: self.family[key] for key in self.family}
        inside = [guard for _, guard in self.inside]
        for key, guard in self.members.items():
            if now.get(key) is not guard:
                assert guard.state == "closed"
                assert guard not in inside
                assert guard.bulkhead is not None
                assert guard.bulkhead.in_flight == 0
        self.members = now

    @invariant()
    def counts_are_kept(self) -> None:
        now = self.sums()
        assert all(now.get(key, 0) >= before - 1e-9 for key, before in self.before.items())
        calls = sum(value for key, value in now.items() if key[0] == "calls")
        assert calls == self.calls - len(self.inside)
        self.before = now

    @invariant()
    def the_other_counts_its_own_calls_only(self) -> None:
        assert self.family.other is not None
        counted: Counts = {}
        self.add(counted, self.family.other)
        calls = sum(value for key, value in counted.items() if key[0] == "calls")
        inside = sum(guard is self.family.other for _, guard in self.inside)
        assert calls == self.served_by_other - inside

    @invariant()
    def one_entry_and_one_hash(self) -> None:
        (entry,) = self.registry.describe()["guards"]
        assert {guard.describe()["hash"] for guard in self.registry} == {entry["hash"]}

    def teardown(self) -> None:
        while self.inside:
            self.leave()


TestFamily = FamilyMachine.TestCase
TestFamily.settings = settings(max_examples=60, stateful_step_count=40)
