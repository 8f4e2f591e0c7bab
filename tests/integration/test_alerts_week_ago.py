"""Silence at an hour that is silent every week, by a real Prometheus: nobody is told; a new one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.servers_at_hand import INSTALLED

from seawall.alerts import Options, build
from seawall.resilience import Breaker, Registry

pytestmark = pytest.mark.servers

#: A week in 10,080 s.
FAST = Options(scrape_interval=1.0, evaluation_interval=1.0, time_factor=1 / 60)
WEEK, PAUSE, STEP = 10080, 30, 5 / 3
#: When it pauses: after a week and more than a day.
BEGIN = WEEK + 2000
ALERTS = {"one": "SeawallDependencySilent", "all": "SeawallServiceSilent"}


def steps(seconds: float) -> int:
    return round(seconds / STEP)


def calls(*pauses: int) -> str:
    """A counter that grows by 8 a second, but not within a while after each of these times."""
    out, total, at = [], 0.0, 0
    for pause in pauses:
        grown = steps(pause) - at
        out.append(f"{total:.4f}+{8 * STEP:.4f}x{grown}")
        total += grown * 8 * STEP
        out.append(f"{total:.4f}+0x{steps(PAUSE) - 1}")
        total += 8 * STEP
        at = steps(pause) + steps(PAUSE) + 1
    return " ".join([*out, f"{total:.4f}+{8 * STEP:.4f}x60"])


@pytest.mark.parametrize("before", [(), (BEGIN - WEEK,)], ids=["never before", "as a week ago"])
@pytest.mark.parametrize("who", ALERTS)
def test_a_pause(tmp_path: Path, who: str, before: tuple[int, ...]) -> None:
    registry = Registry(service="shop")
    registry.guard("bank", breaker=Breaker())
    bundle = build(registry.describe(), FAST)
    for path, text in bundle.items():
        if path.startswith("prometheus/"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
    generated: dict[str, Any] = yaml.safe_load(bundle["prometheus/tests/traffic_every_5s_test.yml"])
    (name,) = [
        c["name"] for c in generated["tests"] if c["name"].startswith(ALERTS["one"]) and "fires" in c["name"]
    ]
    case = next(c for c in generated["tests"] if c["name"] == name)
    for series in case["input_series"]:
        silent = who == "all" or 'dependency="bank"' in series["series"]
        if series["series"].startswith("seawall_calls_total"):
            series["values"] = (
                calls(*before, BEGIN) if silent else calls().replace("x60", f"x{steps(BEGIN) + 90}")
            )
        else:
            series["values"] = f"1+0x{steps(BEGIN) + 90}"
    fires = [{"labels": "{}", "value": 1}]
    count = f'count(ALERTS{{alertname="{ALERTS[who]}",alertstate="firing"}})'
    checks = [(BEGIN - 10, []), (BEGIN + PAUSE - 5, [] if before else fires)]
    case = {k: v for k, v in case.items() if k != "alert_rule_test"} | {
        "promql_expr_test": [
            {"expr": count, "eval_time": f"{at}s", "exp_samples": samples} for at, samples in checks
        ]
    }
    file = tmp_path / "prometheus/tests/week_test.yml"
    file.write_text(yaml.safe_dump({**generated, "tests": [case]}), encoding="utf-8")
    assert INSTALLED.fail([file]) == {}
