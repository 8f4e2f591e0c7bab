"""Promises about the dead bank: it is noticed, answered for, told about, and forgotten again."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from reference.demo.promise import Evidence, Promise, milliseconds, percentile
from reference.demo.scenario import RECOVERY
from reference.demo.watch import Notification
from reference.guards import bank_api
from seawall.telemetry import catalog

BANK = bank_api.name


def transitions(evidence: Evidence, dependency: str = BANK) -> list[tuple[float, str, str]]:
    """(Unix seconds, from, to) of a breaker's transitions, from the service's log."""
    return [
        (datetime.fromisoformat(line["timestamp"]).timestamp(), line["from_state"], line["to_state"])
        for line in evidence.logs
        if line.get("event") == catalog.LOG_EVENTS["Transition"] and line.get("dependency") == dependency
    ]


def opened(evidence: Evidence) -> tuple[Promise, float | None]:
    """The breaker opens when the bank is dead; also returns when it left `closed`, Unix seconds."""
    text = "the bank's breaker opens when the bank is dead"
    dead = evidence.dead_bank
    opened_at: float | None = None
    for at, before, after in transitions(evidence):
        if before == "closed" and at < dead.ended:
            opened_at = at
        elif after == "closed" and at < dead.began:
            opened_at = None
    if opened_at is None:
        return Promise(text, False, "it did not open"), None
    if opened_at < dead.began:
        # Enough slow answers in a row ran into their timeouts: rare, and right.
        return Promise(text, True, "open already: the slow bank had opened it"), opened_at
    return Promise(text, True, f"{opened_at - dead.began:.1f} s after it died"), opened_at


def degraded_in_time(evidence: Evidence) -> Promise:
    """While the breaker is open callers get an older answer, at once."""
    assert bank_api.fallback is not None
    limit = bank_api.fallback.timeout or 0.0
    text = f"with the breaker open every answer is degraded and within the fallback's {milliseconds(limit)}"
    times = _open_times(evidence)
    rejected = {
        span["attributes"].get(catalog.ATTR_CORRELATION_ID)
        for span in evidence.spans
        if span["name"] == catalog.SPAN_CALL
        and span["attributes"].get(catalog.ATTR_DEPENDENCY) == BANK
        and span["attributes"].get(catalog.ATTR_ATTEMPTS) == 0
        and any(begin <= span["start"] < end for begin, end in times)
    }
    found = [r for r in evidence.records if r.correlation_id in rejected]
    if not found:
        return Promise(text, False, "no such answer was seen")
    worst = max(r.seconds for r in found)
    kept = worst <= limit and all(r.accepted and r.degraded for r in found)
    median = milliseconds(percentile([r.seconds for r in found], 0.5))
    return Promise(text, kept, f"{len(found)} answers, median {median}, slowest {milliseconds(worst)}")


def _open_times(evidence: Evidence) -> list[tuple[float, float]]:
    """When the bank's breaker was open during its outage."""
    dead = evidence.dead_bank
    changes = transitions(evidence)
    return [
        (begin, end)
        for (begin, _, state), (end, _, _) in pairwise(changes)
        if state == "open" and dead.began <= begin < dead.ended
    ]


def all_answered(evidence: Evidence) -> Promise:
    """Nobody is turned away because of the bank."""
    text = "during the bank's outage every request is answered, none with an error"
    found = evidence.outage
    failed = [r for r in found if not r.accepted]
    statuses = ", ".join(sorted({str(r.status or r.error) for r in failed}))
    figures = f"{len(found) - len(failed)} of {len(found)}" + (f"; others: {statuses}" if failed else "")
    return Promise(text, bool(found) and not failed, figures)


def alerted(evidence: Evidence, opened_at: float | None) -> list[Promise]:
    """The alert reaches the webhook; so does its end, after the breaker has closed."""
    fired = "the alert for the bank's breaker reaches the webhook"
    closed = "the breaker closes again after the bank is back"
    resolved = "the resolved notification reaches the webhook"
    dead = evidence.dead_bank
    closings = [at for at, _, to in transitions(evidence) if to == "closed" and at >= dead.ended]
    closing = Promise(closed, bool(closings), _after(closings, dead.ended, "the bank came back"))
    if not evidence.delivers:
        skipped = "no Prometheus or no Alertmanager here"
        return [Promise(fired, None, skipped), closing, Promise(resolved, None, skipped)]
    about = [one for one in evidence.notifications if one.dependency == BANK and is_breaker_alert(one)]
    begun = opened_at if opened_at is not None else dead.began
    firing = [one for one in about if one.status == "firing" and one.received >= begun]
    # What an alert of the same name, fired for another outage, resolved to is none of this one's.
    ended = [
        one for one in about if one.status == "resolved" and firing and one.received > firing[0].received
    ]
    return [
        Promise(fired, bool(firing), _first(firing, begun, "the breaker opened")),
        closing,
        Promise(
            resolved, bool(ended), _first(ended, closings[0] if closings else begun, "the breaker closed")
        ),
    ]


async def seen_by_prometheus(evidence: Evidence) -> Promise:
    """What Prometheus has stored tells the same story."""
    text = "Prometheus saw it all: open in the outage, closed at the end, every scrape good"
    server = evidence.prometheus
    if server is None:
        return Promise(text, None, "no Prometheus here")
    dead, end = evidence.dead_bank, evidence.story.of(RECOVERY).ended
    state, up = catalog.BREAKER_STATE.name, "up"
    opened_for = await server.over(f'{state}{{dependency="{BANK}",state="open"}}', dead.began, dead.ended)
    closed_now = await server.number(f'sum({state}{{dependency="{BANK}",state="closed"}})', end)
    missed = await server.over(f"{up} == 0", evidence.story.began, end)
    seconds = sum(value for series in opened_for for _, value in series.points)
    figures = (
        f"open in {seconds:.0f} of {dead.ended - dead.began:.0f} scrapes; {len(missed)} targets missed one"
    )
    return Promise(text, seconds > 0 and closed_now == 1 and not missed, figures)


def is_breaker_alert(one: Notification) -> bool:
    """Whether it is about an open breaker."""
    return "breaker" in one.name.lower() and "open" in one.name.lower()


def _after(times: list[float], since: float, what: str) -> str:
    return f"{times[0] - since:.1f} s after {what}" if times else "never seen"


def _first(found: list[Notification], since: float, what: str) -> str:
    if not found:
        return "none came"
    return f"{found[0].name}, {found[0].received - since:.1f} s after {what}"
