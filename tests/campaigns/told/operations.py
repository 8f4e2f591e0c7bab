"""Scenarios of what people and machines do to a service: deployments, restarts, scrapes that are missed."""

from __future__ import annotations

from dataclasses import replace

from tests.campaigns.told.guards import ARCHIVE, BANK, BREAKER, CACHE, LEDGER, PAYMENTS, TIMEOUT
from tests.campaigns.told.model import (
    EVERY,
    FROM_THE_START,
    WARM,
    Deed,
    Gap,
    May,
    Must,
    Scenario,
    Served,
    Told,
    Trouble,
    muted_before_the_rest,
)
from tests.campaigns.told.pace import real

from seawall.resilience import Breaker, Fallback

_REPLICAS = 6
ROLLING = Scenario(
    name="rolling-restart",
    story="Six replicas are restarted one after the other, once while all is well, and once in the midst of "
    "an outage of 30 minutes.",
    minutes=80,
    replicas=_REPLICAS,
    guards=[[BANK, LEDGER]],
    troubles=(Trouble(dependency="bank", begin=35, end=65, fails=1.0),),
    deeds=tuple(
        Deed(minute=begin + 1.5 * n, what="restart", replica=n)
        for begin in (WARM, 45.0)
        for n in range(_REPLICAS)
    ),
    must=(Must(Told("SeawallBreakerOpen", "critical", "bank"), 35, once=True),),
    may=muted_before_the_rest("bank"),
)

GAPS = Scenario(
    name="scrape-gaps",
    story="8 % of all scrapes are not answered, for 40 seconds now and then none of one replica or of all; "
    "half-way a dependency is gone for 20 minutes.",
    minutes=75,
    guards=[[BANK, LEDGER, CACHE]],
    troubles=(Trouble(dependency="bank", begin=35, end=55, fails=1.0),),
    gaps=(
        Gap(begin=8, end=70, share=0.08),
        *(Gap(begin=minute, end=minute + 0.65, replicas=(1,)) for minute in (15.0, 26.0, 42.0, 62.0)),
        *(Gap(begin=minute, end=minute + 0.65) for minute in (20.0, 46.0, 51.0, 66.0)),
    ),
    must=(Must(Told("SeawallBreakerOpen", "critical", "bank"), 35, once=True),),
    may=muted_before_the_rest("bank"),
)

KILLED = Scenario(
    name="exporter-killed",
    story="One of three replicas is killed (SIGKILL) and is back after 13 minutes; later all three are, and "
    "are back after 10.",
    minutes=65,
    guards=[[BANK, LEDGER]],
    deeds=(
        Deed(minute=WARM, what="kill", replica=1),
        Deed(minute=WARM + 13, what="start", replica=1),
        *(Deed(minute=38, what="kill", replica=n) for n in range(3)),
        *(Deed(minute=48, what="start", replica=n) for n in range(3)),
    ),
    must=(
        Must(Told("SeawallExporterDown", "warning"), WARM, once=True),
        Must(Told("SeawallExporterGone", "critical"), 38, once=True),
    ),
)

#: Calls a second of three replicas, as they are recorded at this pace.
_USUAL = 45.0
SILENT = Scenario(
    name="traffic-to-zero",
    story="Nobody calls one dependency any more; 33 minutes later nobody calls any. Prometheus holds "
    "yesterday's calls.",
    minutes=85,
    guards=[[BANK, LEDGER]],
    troubles=(
        Trouble(dependency="bank", begin=WARM, end=80, traffic=0.0),
        Trouble(dependency=EVERY, begin=45, end=80, traffic=0.0),
    ),
    past={"calls": {"bank": _USUAL, "ledger": _USUAL}},
    must=(
        Must(Told("SeawallDependencySilent", "warning", "bank"), WARM, once=True),
        Must(Told("SeawallServiceSilent", "critical"), 45, once=True),
    ),
)

_CHANGED = [
    replace(BANK, settings={**BANK.settings, "breaker": replace(BREAKER, open_for=60.0)}),
    LEDGER,
    replace(PAYMENTS, name="fraud"),
]
_ROLLOUT = tuple(Deed(minute=WARM + 2 * n, what="restart", replica=n, deploy=1) for n in range(3))
DRIFT = Scenario(
    name="policy-drift",
    story="A deployment changes the policies of one guard and adds another; the bundle that belongs to it is "
    "loaded 40 minutes later.",
    minutes=75,
    guards=[[BANK, LEDGER], _CHANGED],
    deeds=(*_ROLLOUT, Deed(minute=WARM + 40, what="load", deploy=1)),
    must=(
        Must(Told("SeawallPolicyDrift", "warning", "bank"), WARM, once=True),
        Must(Told("SeawallPolicyDrift", "warning", "fraud"), WARM, once=True),
    ),
)
ROLLOUT = Scenario(
    name="deployment",
    story="The same deployment; the bundle that belongs to it is loaded as soon as all replicas have it.",
    minutes=60,
    guards=[[BANK, LEDGER], _CHANGED],
    deeds=(*_ROLLOUT, Deed(minute=WARM + 6, what="load", deploy=1)),
)

HAND = Scenario(
    name="by-hand",
    story="Three breakers are forced open, disabled and set to count only, and left so for 75 minutes.",
    minutes=110,
    guards=[
        [
            *(
                Served(
                    name=name,
                    settings={"breaker": BREAKER, "timeout": TIMEOUT, "fallback": Fallback(default=0)},
                )
                for name in ("search", "quotes", "tariffs")
            ),
            LEDGER,
        ]
    ],
    troubles=tuple(
        Trouble(dependency=name, begin=WARM, end=WARM + 75, forced=state)
        for name, state in (("search", "forced_open"), ("quotes", "disabled"), ("tariffs", "metrics_only"))
    ),
    must=(
        Must(Told("SeawallBreakerForcedOpen", "warning", "search"), WARM),
        Must(Told("SeawallBreakerDisabled", "warning", "quotes"), WARM),
        Must(Told("SeawallBreakerMetricsOnly", "warning", "tariffs"), WARM),
    ),
)

_NERVOUS = Served(
    name="nervous", per_minute=60.0, settings={"breaker": Breaker(window_calls=20, open_for=60.0)}
)
SETTINGS = Scenario(
    name="settings",
    story="A breaker opens five times for half a minute of failures, and stays open for a minute each time; "
    "another has too few calls to ever decide; a family has room for two of its six keys; a listener of the "
    "service's own is broken. Prometheus holds yesterday's windows.",
    minutes=75,
    guards=[
        [
            _NERVOUS,
            replace(ARCHIVE, per_minute=0.05),
            Served(
                name="tenant",
                keys=6,
                settings={"breaker": BREAKER, "most": 2, "idle_for": real(300.0), "timeout": TIMEOUT},
            ),
            LEDGER,
        ]
    ],
    troubles=tuple(
        Trouble(dependency="nervous", begin=minute, end=minute + 0.5, fails=1.0)
        for minute in (WARM + 6.0 * n for n in range(5))
    ),
    past={"window_calls": {"archive": 4.0}, "false_opens": {"nervous": 0.0}},
    bad_listener=True,
    must=(
        Must(Told("SeawallBreakerFalseOpens", "info", "nervous"), WARM),
        Must(Told("SeawallBreakerNeverDecides", "info", "archive"), FROM_THE_START),
        Must(Told("SeawallFamilyOverflowing", "info", "tenant/other"), FROM_THE_START),
        Must(Told("SeawallListenerErrors", "warning"), FROM_THE_START),
    ),
    may=(
        May(Told("SeawallBreakerOpen", "warning", "nervous"), "It is open."),
        May(Told("SeawallBreakerFlapping", "warning", "nervous"), "It closes and opens again, five times."),
    ),
)

SCENARIOS: tuple[Scenario, ...] = (ROLLING, GAPS, KILLED, SILENT, DRIFT, ROLLOUT, HAND, SETTINGS)
