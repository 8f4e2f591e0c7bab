"""Scenarios of dependencies that answer, but late, seldom or not everybody."""

from __future__ import annotations

from dataclasses import replace

from tests.campaigns.told.guards import BREAKER, CACHE, LEDGER, RETRY, TIMEOUT, TooMany
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

from seawall.resilience import Breaker, Bulkhead, Fallback, Objectives, RateLimit, Retry, RetryBudget, Timeout

END = WARM + 30

SLOW = Scenario(
    name="slow-dependency",
    story="Four dependencies are slow for half an hour: 55 % of calls over `slow_after`; 20 % over their "
    "timeout; all so slow that a bulkhead is full; all over `slow_after`, which opens the breaker.",
    minutes=70,
    guards=[
        [
            Served(
                name="search", settings={"breaker": replace(BREAKER, window_calls=100), "timeout": TIMEOUT}
            ),
            Served(
                name="reports",
                settings={"breaker": BREAKER, "timeout": TIMEOUT, "objectives": Objectives(success=0.99)},
            ),
            Served(
                name="tariffs",
                per_minute=120.0,
                settings={
                    "breaker": Breaker(),
                    "bulkhead": Bulkhead(limit=3),
                    "fallback": Fallback(default=0),
                },
            ),
            Served(
                name="quotes",
                settings={"criticality": "critical", "breaker": BREAKER, "fallback": Fallback(default=0)},
            ),
            LEDGER,
        ]
    ],
    troubles=(
        Trouble(dependency="search", begin=WARM, end=END, slow=0.55),
        Trouble(dependency="reports", begin=WARM, end=END, slow=0.2, slow_takes=10.0),
        Trouble(dependency="tariffs", begin=WARM, end=END, slow=1.0, slow_takes=10.0),
        Trouble(dependency="quotes", begin=WARM, end=END, slow=1.0),
    ),
    must=(
        Must(Told("SeawallDependencySlow", "warning", "search"), WARM),
        Must(Told("SeawallTimeouts", "warning", "reports"), WARM),
        Must(Told("SeawallFailureBudgetBurn", "warning", "reports"), WARM),
        Must(Told("SeawallBulkheadSaturated", "warning", "tariffs"), WARM),
        Must(Told("SeawallBulkheadRejecting", "warning", "tariffs"), WARM),
        Must(Told("SeawallBreakerOpen", "critical", "quotes"), WARM),
    ),
    may=muted_before_the_rest("quotes"),
)

PARTNER = Served(
    name="partner",
    settings={
        "breaker": BREAKER,
        "retry": replace(RETRY, on=(ConnectionError,)),
        "timeout": TIMEOUT,
        "rate_limit": RateLimit(rate=5.0, burst=10, throttled_on=(TooMany,)),
        "fallback": Fallback(default="later"),
        "objectives": Objectives(undegraded=0.9),
    },
)
GEOCODER = Served(
    name="geocoder",
    settings={
        "breaker": BREAKER,
        "timeout": TIMEOUT,
        "rate_limit": RateLimit(rate=1.0, burst=10),
        "objectives": Objectives(success=0.99),
    },
)
LIMITED = Scenario(
    name="rate-limited",
    story="An upstream answers half of the usual calls with 429 and when to come again, for half an hour; "
    "another is asked four times as much as usual, twice what our own limit allows.",
    minutes=70,
    guards=[[PARTNER, GEOCODER, LEDGER]],
    troubles=(
        Trouble(dependency="partner", begin=WARM, end=END, capacity=15.0),
        Trouble(dependency="geocoder", begin=WARM, end=END, traffic=4.0),
    ),
    must=(
        Must(Told("SeawallRateLimited", "warning", "partner"), WARM),
        Must(Told("SeawallRateLimited", "warning", "geocoder"), WARM),
        Must(Told("SeawallFailureBudgetBurn", "warning", "geocoder"), WARM),
    ),
    may=(
        May(
            Told("SeawallDegradedBudgetBurn", "info", "partner"),
            "Its objective allows 10 % degraded answers, and half of them were: over the windows of a day "
            "and of three days, of which Prometheus has seen an hour here.",
        ),
    ),
)

BROWNOUT = Scenario(
    name="brownout",
    story="Three dependencies fail in part for half an hour, too little for their breakers: 25 % of the "
    "calls of one, whose budget lets them be retried, 20 % of another, whose budget does not, and 30 % of a "
    "third, whose fallback answers.",
    minutes=70,
    guards=[
        [
            Served(
                name="search",
                per_minute=120.0,
                settings={
                    "breaker": replace(BREAKER, window_calls=100),
                    "retry": replace(RETRY, budget=RetryBudget(ratio=0.5, floor_per_second=0.1, ttl=60.0)),
                    "timeout": TIMEOUT,
                    "objectives": Objectives(success=0.95),
                },
            ),
            Served(
                name="mail",
                per_minute=60.0,
                settings={
                    "breaker": replace(BREAKER, window_calls=100),
                    "retry": Retry(base_delay=0.3, budget=RetryBudget(ratio=0.05, floor_per_second=0.1)),
                    "timeout": TIMEOUT,
                },
            ),
            Served(
                name="hints",
                settings={
                    "breaker": replace(BREAKER, window_calls=100),
                    "fallback": Fallback(default=()),
                    "objectives": Objectives(undegraded=0.99),
                },
            ),
            LEDGER,
        ]
    ],
    troubles=(
        Trouble(dependency="search", begin=WARM, end=END, fails=0.25),
        Trouble(dependency="mail", begin=WARM, end=END, fails=0.2),
        Trouble(dependency="hints", begin=WARM, end=END, fails=0.3),
    ),
    must=(
        Must(Told("SeawallRetryStorm", "warning", "search"), WARM),
        Must(Told("SeawallRetryBudgetExhausted", "warning", "mail"), WARM),
        Must(Told("SeawallDegradedBudgetBurn", "warning", "hints"), WARM),
    ),
    may=(
        May(
            Told("SeawallRetryStorm", "warning", "mail"),
            "Its retries are at what its budget allows, which is above half of it.",
        ),
        May(
            Told("SeawallDegradedBudgetBurn", "info", "hints"),
            "It is over, and has used up what the objective allows for weeks: over the windows of a day and "
            "of three days, which the warning mutes until it ends.",
        ),
    ),
)

THREADS = Scenario(
    name="hung-functions",
    story="A function that is called from threads hangs for two minutes each time, for half an hour; its "
    "guard has four threads and waits for two seconds.",
    minutes=70,
    guards=[
        [
            Served(
                name="pdf",
                threads=True,
                settings={"timeout": Timeout(attempt=2.0, threads=4), "fallback": Fallback(default=b"")},
            ),
            CACHE,
            LEDGER,
        ]
    ],
    troubles=(Trouble(dependency="pdf", begin=WARM, end=END, slow=1.0, slow_takes=120.0),),
    must=(
        Must(Told("SeawallThreadsAbandoned", "warning", "pdf"), WARM),
        Must(Told("SeawallThreadsBusy", "warning", "pdf"), WARM),
    ),
    may=(
        May(
            Told("SeawallTimeouts", "warning", "pdf"),
            "Those calls that still get a thread run into their timeout: about one in twenty.",
        ),
    ),
)

SCENARIOS: tuple[Scenario, ...] = (SLOW, LIMITED, BROWNOUT, THREADS)
