"""Promises about traffic and about work that was accepted: nothing slow, nothing lost."""

from __future__ import annotations

from collections import Counter
from email import message_from_bytes
from urllib.parse import unquote

from reference.demo.promise import Evidence, Promise, milliseconds, percentile
from reference.load import upload_content

QUICK = 0.020
FACTOR = 2.0


def bounded(evidence: Evidence) -> Promise:
    """No request outlives its total timeout."""
    limit = evidence.request_timeout
    text = f"in the outage no request takes longer than its total timeout of {limit:g} s"
    found = evidence.outage
    worst = max(found, key=lambda record: record.seconds, default=None)
    if worst is None:
        return Promise(text, False, "no requests were seen")
    figures = f"slowest {worst.seconds:.3f} s ({worst.kind}) of {len(found)}"
    return Promise(text, worst.seconds <= limit, figures)


def unaffected(evidence: Evidence) -> Promise:
    """Requests that don't need the bank do not notice."""
    healthy = percentile([r.seconds for r in evidence.healthy if not r.needs_bank], 0.99)
    allowed = max(FACTOR * healthy, QUICK)
    text = f"in the outage the p99 of requests that don't need the bank stays within {milliseconds(allowed)}"
    found = [r for r in evidence.outage if not r.needs_bank]
    p99 = percentile([r.seconds for r in found], 0.99)
    late = percentile([r.late for r in found], 0.99)
    figures = f"{milliseconds(p99)} of {len(found)}; healthy, before and after, {milliseconds(healthy)}"
    if found and p99 > allowed and late > QUICK:
        # The load generator does nothing but send: where it is late itself, the machine is what is slow.
        return Promise(text, None, f"{figures}; not judged: this machine was busy with other things")
    return Promise(text, bool(found) and p99 <= allowed, figures)


def nothing_lost(evidence: Evidence) -> list[Promise]:
    """Every mail and upload that was accepted is where it belongs at the end."""
    return [_mails(evidence), _uploads(evidence)]


def _mails(evidence: Evidence) -> Promise:
    text = "no mail is lost: all that were accepted are with the mail server at the end"
    accepted = {r.key for r in evidence.records if r.kind == "report" and r.accepted}
    waited = sum(r.waiting for r in evidence.records if r.kind == "report")
    arrived = Counter(
        str(message_from_bytes(path.read_bytes())["Message-ID"]).strip().strip("<>").partition("@")[0]
        for path in evidence.mails.glob("*.eml")
    )
    lost = accepted - arrived.keys()
    twice = sum(count - 1 for count in arrived.values())
    figures = f"{len(accepted)} accepted, {waited} of them waited, {len(lost)} lost, {twice} delivered twice"
    return Promise(text, bool(accepted) and waited > 0 and not lost, figures)


def _uploads(evidence: Evidence) -> Promise:
    text = "no upload is lost: all that were accepted are in the object store, whole"
    accepted = {r.key for r in evidence.records if r.kind == "upload" and r.accepted}
    waited = sum(r.waiting for r in evidence.records if r.kind == "upload")
    stored = {unquote(path.name): path for path in evidence.objects.iterdir()}
    lost = accepted - stored.keys()
    broken = [key for key in accepted - lost if stored[key].read_bytes() != upload_content(key)]
    figures = f"{len(accepted)} accepted, {waited} of them waited, {len(lost)} lost, {len(broken)} not whole"
    return Promise(text, bool(accepted) and waited > 0 and not lost and not broken, figures)
