"""The bulkhead's places and queue against a model that keeps all in one list and searches it each time."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from seawall.resilience import Bulkhead
from seawall.resilience.bulkhead import TURN, BulkheadState

LIMIT, MAX_QUEUE = 2, 4
RANKS = st.sampled_from([0, 1, 2])


class Caller:
    """Waits for a place. ``dead``: its event loop is gone."""

    def __init__(self, number: int, dead: bool) -> None:
        self.number, self.dead = number, dead
        self.placed = False
        self.woken = 0

    def wake(self) -> bool:
        self.woken += 1
        return not self.dead


class BulkheadMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bulkhead = BulkheadState(Bulkhead(limit=LIMIT, max_queue=MAX_QUEUE, max_wait=1.0))
        self.inside = 0
        self.queue: list[tuple[Caller, int]] = []
        self.served: list[Caller] = []
        self.arrived = self.handed_on = 0

    # -- the model

    def model_next(self) -> Caller:
        """Every fourth place goes by age, the others by rank and then by age."""
        self.handed_on += 1
        best = 0
        if self.handed_on % TURN:
            for i, (_, rank) in enumerate(self.queue):
                if rank < self.queue[best][1]:
                    best = i
        return self.queue.pop(best)[0]

    def model_leaves(self) -> None:
        self.inside -= 1
        while self.queue and self.inside < LIMIT:
            caller = self.model_next()
            if not caller.dead:
                self.inside += 1
                self.served.append(caller)

    def model_joins(self, caller: Caller, rank: int) -> tuple[str, Caller | None]:
        out = None
        if len(self.queue) == MAX_QUEUE:
            worst = max(r for _, r in self.queue)
            if worst <= rank:
                return "queue_full", None
            i = max(i for i, (_, r) in enumerate(self.queue) if r == worst)
            out = self.queue.pop(i)[0]
        self.queue.append((caller, rank))
        return "", out

    # -- what happens

    @rule(rank=RANKS, dead=st.booleans())
    def arrive(self, rank: int, dead: bool) -> None:
        caller = Caller(self.arrived, dead)
        self.arrived += 1
        if self.inside < LIMIT:
            assert not self.queue
            assert self.bulkhead.enter([])
            self.inside += 1
            return
        assert not self.bulkhead.enter([])
        expected, out = self.model_joins(caller, rank)
        assert self.bulkhead.join(caller, rank) == expected
        if out is not None:
            assert (out.placed, out.woken) == (False, 1)
            assert self.bulkhead.waited(out, []) == "queue_full"

    @rule(rank=RANKS)
    def arrive_late(self, rank: int) -> None:
        """A place came free between the look at it and the queueing up."""
        if self.inside < LIMIT:
            caller, granted = Caller(self.arrived, False), []
            assert (self.bulkhead.join(caller, rank), caller.placed) == ("", True)
            assert self.bulkhead.waited(caller, granted) == ""
            assert granted == [self.bulkhead.leave]
            self.arrived += 1
            self.inside += 1

    @precondition(lambda self: self.inside)
    @rule(in_line=st.booleans())
    def leave(self, in_line: bool) -> None:
        """By the fast path's two steps, or by the slow path's one."""
        if in_line:
            self.bulkhead.permits.append(None)
            if self.bulkhead.waiters:
                self.bulkhead.wake()
        else:
            self.bulkhead.leave()
        self.model_leaves()

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), cancelled=st.booleans())
    def stop_waiting(self, data: st.DataObject, cancelled: bool) -> None:
        caller, _ = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        if cancelled:
            self.bulkhead.abandon(caller)
        else:
            assert self.bulkhead.waited(caller, []) == "wait_exceeded"

    @precondition(lambda self: self.served)
    @rule(data=st.data())
    def cancelled_when_served(self, data: st.DataObject) -> None:
        """The place was granted; the cancellation arrived first. It goes to the next."""
        caller = self.served.pop(data.draw(st.integers(0, len(self.served) - 1)))
        self.bulkhead.abandon(caller)
        self.model_leaves()

    @precondition(lambda self: self.served)
    @rule(data=st.data())
    def enters_when_served(self, data: st.DataObject) -> None:
        granted: list[Callable[[], None]] = []
        caller = self.served.pop(data.draw(st.integers(0, len(self.served) - 1)))
        assert self.bulkhead.waited(caller, granted) == ""
        assert granted == [self.bulkhead.leave]
        assert not caller.placed

    @rule()
    def begin_anew(self) -> None:
        """A fork."""
        self.bulkhead.clear()
        self.inside = 0
        self.queue, self.served = [], []

    # -- what always holds

    @invariant()
    def same_places(self) -> None:
        assert self.bulkhead.in_flight == self.inside <= LIMIT

    @invariant()
    def same_queue(self) -> None:
        assert list(self.bulkhead.waiters.items()) == self.queue
        assert len(self.queue) <= MAX_QUEUE

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        assert not self.queue or self.inside == LIMIT

    @invariant()
    def the_served_were_woken_once(self) -> None:
        assert all(caller.woken == 1 and caller.placed for caller in self.served)
        assert not any(caller.placed for caller, _ in self.queue)


TestBulkhead = BulkheadMachine.TestCase
TestBulkhead.settings = settings(max_examples=100, stateful_step_count=50)
