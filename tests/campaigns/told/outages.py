"""Scenarios of dependencies that are gone, wholly or in part, and of a service where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace

from tests.campaigns.told.guards import (
    ARCHIVE,
    BANK,
    BREAKER,
    CACHE,
    LEDGER,
    MAIL,
    PAYMENTS,
    TIMEOUT,
    Unknown,
)
from tests.campaigns.told.model import (
    WARM,
    May,
    Must,
    Scenario,
    Served,
    Told,
    Trouble,
    muted_before_the_rest,
)

from seawall.resilience import Fallback, Objectives

HARD = Scenario(
    name="hard-outage",
    story="Three dependencies refuse every call for 45 minutes: one whose fallback answers, one that has "
    "none, one whose work is put aside.",
    minutes=75,
    guards=[[BANK, PAYMENTS, MAIL, LEDGER]],
    troubles=tuple(
        Trouble(dependency=name, begin=WARM, end=WARM + 45, fails=1.0)
        for name in ("bank", "payments", "mail")
    ),
    must=(
        Must(Told("SeawallBreakerOpen", "critical", "bank"), WARM, once=True),
        Must(Told("SeawallBreakerOpen", "critical", "payments"), WARM, once=True),
        Must(Told("SeawallBreakerOpen", "warning", "mail"), WARM, once=True),
        Must(Told("SeawallFailureBudgetBurn", "critical", "payments"), WARM),
        Must(Told("SeawallQueuedWorkGrowing", "warning", "mail"), WARM),
    ),
    may=(
        *muted_before_the_rest("bank", "payments"),
        May(
            Told("SeawallFailureBudgetBurn", "warning", "payments"),
            "The outage is over, and has used up what the objective allows for more than a month: a ticket, "
            "over the windows of a day and of three days, which the critical alert mutes until it ends.",
        ),
    ),
)

PARTIAL = Scenario(
    name="partial-outage",
    story="Three of ten replicas don't reach a critical dependency for 30 minutes.",
    minutes=60,
    replicas=10,
    guards=[[BANK, LEDGER]],
    troubles=(Trouble(dependency="bank", begin=WARM, end=WARM + 30, fails=1.0, replicas=(1, 4, 7)),),
    must=(Must(Told("SeawallBreakerOpen", "warning", "bank"), WARM, once=True),),
)

_BAD, _WELL = 1.0, 1.5
FLAPPING = Scenario(
    name="flapping",
    story="A dependency fails for a minute, is well for a minute and a half, and so on for 25 minutes.",
    minutes=60,
    guards=[[BANK, LEDGER]],
    troubles=tuple(
        Trouble(dependency="bank", begin=begin, end=begin + _BAD, fails=1.0)
        for begin in (WARM + n * (_BAD + _WELL) for n in range(10))
    ),
    must=(
        Must(Told("SeawallBreakerOpen", "critical", "bank"), WARM),
        Must(Told("SeawallBreakerFlapping", "warning", "bank"), WARM),
    ),
    may=muted_before_the_rest("bank"),
)

#: Answers with what it said before, while that is not older than 20 minutes.
CATALOG = Served(
    name="catalog",
    settings={
        "breaker": BREAKER,
        "timeout": TIMEOUT,
        "fallback": Fallback(stale_for=1200.0, key=lambda *_: "all"),
        "objectives": Objectives(success=0.99),
    },
)
DEAD_CACHE = Scenario(
    name="dead-cache",
    story="A cache is dead for an hour, and whoever asks it gets the fallback's answer, degraded; so is a "
    "dependency whose fallback may serve former answers for 20 minutes.",
    minutes=90,
    guards=[[CACHE, CATALOG, LEDGER]],
    troubles=(
        Trouble(dependency="cache", begin=WARM, end=WARM + 60, fails=1.0),
        Trouble(dependency="catalog", begin=WARM, end=WARM + 60, fails=1.0),
    ),
    must=(
        Must(Told("SeawallBreakerOpen", "info", "cache"), WARM, once=True),
        Must(Told("SeawallBreakerOpen", "warning", "catalog"), WARM, once=True),
        Must(Told("SeawallStaleTooOld", "warning", "catalog"), WARM, once=True),
        Must(Told("SeawallFallbackFailing", "warning", "catalog"), WARM + 20, once=True),
        Must(Told("SeawallFailureBudgetBurn", "warning", "catalog"), WARM + 20),
    ),
)

STUCK = Scenario(
    name="lost-probes",
    story="A dependency is gone for three minutes, and then answers all with 404, which says nothing of its "
    "health: no probe decides anything for half an hour.",
    minutes=60,
    guards=[[BANK, LEDGER]],
    troubles=(
        Trouble(dependency="bank", begin=WARM, end=WARM + 3, fails=1.0),
        Trouble(dependency="bank", begin=WARM + 3, end=WARM + 33, fails=1.0, error=Unknown),
    ),
    must=(
        Must(Told("SeawallBreakerOpen", "critical", "bank"), WARM, once=True),
        Must(Told("SeawallBreakerHalfOpenStuck", "warning", "bank"), WARM + 3),
    ),
    may=muted_before_the_rest("bank"),
)

HEALTHY = Scenario(
    name="healthy",
    story="Nothing is wrong for three hours. Calls fail (1 to 3 %) and are slow (2 to 5 %) as they do in any "
    "service, are retried or answered by fallbacks, and one dependency is hardly ever called.",
    minutes=180,
    guards=[
        [
            LEDGER,
            replace(BANK, fails=0.03, slow=0.05, settings={**BANK.settings, "retry": None}),
            replace(PAYMENTS, fails=0.02, slow=0.03),
            replace(MAIL, fails=0.01),
            replace(CACHE, fails=0.02),
            ARCHIVE,
        ]
    ],
)

SCENARIOS: tuple[Scenario, ...] = (HARD, PARTIAL, FLAPPING, DEAD_CACHE, STUCK, HEALTHY)
