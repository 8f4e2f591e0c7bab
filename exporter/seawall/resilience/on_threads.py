"""A call of a ``def`` whose attempts run on the guard's worker threads."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from seawall.resilience.attempt import Answer, Step
from seawall.resilience.bulkhead import Granted
from seawall.resilience.deadline import within
from seawall.resilience.drivers import drive
from seawall.resilience.errors import ThreadsBusy, TimedOut
from seawall.resilience.journey import Journey
from seawall.resilience.worker_threads import Job, WorkerThreads

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation


def journeyed(
    op: Operation,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    before: Journey | None = None,
) -> Any:
    """A call of a ``def`` that never was on the lane: in this thread, or on workers where there are some.

    ``before``: the same call, which has waited in vain so far.
    """
    workers = op.guard.workers
    call: Journey
    asked = function
    if workers is None:
        call = Journey(op, function, args, kwargs)
    else:
        call = asked = OnThreads(op, function, args, kwargs)
        call.workers = workers
        call.places = None
    if before is not None:
        call.started, call.given, call.watch = before.started, before.given, before.watch
    return drive(op.guard, call.run(), asked, args, kwargs)


class OnThreads(Journey):
    """A journey that stands in for its function, too: called, it has a worker run it and waits.

    A thread is the innermost thing that an attempt needs: it is taken last, and what the other policies
    granted goes back when there is none. ``places``: where the place is given back that the attempt has.
    """

    __slots__ = ("bound", "places", "workers")
    workers: WorkerThreads
    places: list[None] | None
    bound: tuple[float | None, str]

    @property
    def timed(self) -> Callable[..., Any]:
        """The function, for messages."""
        return getattr(self.function, "timed", self.function)

    def attempt(self) -> Generator[Step, Answer, tuple[Answer, str]]:
        try:
            return (yield from super().attempt())
        finally:
            # No worker heard of it: it was refused a thread, or whoever drives this was interrupted.
            places, self.places = self.places, None
            if places is not None:
                places.append(None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        limit, scope = self.bound
        if limit is None:
            return self.function(*args, **kwargs)
        op = self.op
        # A deadline of the worker's own: an abandoned function sees that its time is over.
        work = partial(within(limit, op.clock, self.function), *args, **kwargs)
        job, jobs = Job(self.workers, copy_context(), work), self.workers.jobs
        # From here on the worker gives the place back: an interrupt can come after the next call only.
        self.places = None
        jobs.put(job)
        answer = job.wait(limit)
        if answer is None:
            raise TimedOut(op.dependency, scope, limit)
        ok, value = answer
        if ok:
            return value
        try:
            raise value
        finally:
            # The traceback holds this frame: without the names it holds the exception no longer.
            del answer, value

    def _ask_in_turn(self, granted: Granted) -> Generator[Step, Answer, BaseException | None]:
        refused = yield from super()._ask_in_turn(granted)
        if refused is not None or not self.limits.bounded:
            return refused
        guard = self.op.guard
        try:
            # Noted first: an interrupt can come after a call only, when the place is taken.
            places = self.places = self.workers.places
            places.pop()
        except IndexError:
            self.places = None
        if self.places is not None and self.workers.staff():
            return None
        return self._reject(ThreadsBusy(guard.name, "timeout", "threads_busy"))

    def _limit(self) -> tuple[float | None, str]:
        self.bound = super()._limit()
        return self.bound
