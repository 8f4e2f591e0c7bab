"""Two Alertmanagers in a cluster, one killed and started again: ``python tests/campaigns/cluster.py``.

Both run on a generated configuration and tell one `seawall receive` of alerts that begin, end, and are sent
to both again and again, as a Prometheus does. Each beginning and each end must arrive at least once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from seawall.alerts import Options, build
from seawall.resilience import Breaker, Registry

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/reference/campaigns/cluster.md"
NEWER = Path(os.environ.get("SEAWALL_NEWER", ROOT / ".newer"))
#: Seconds between two sendings (Prometheus: a minute), for the peer to wait, and for the last to arrive.
RESEND, PEER_TIMEOUT, AFTERWARDS = 0.5, 1.0, 20.0
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Free for TCP and for UDP, which the cluster speaks both."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((LOOPBACK, 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def post(url: str, body: object) -> bool:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@dataclass
class Alertmanager:
    """One of the two; it keeps its storage and its ports over a death."""

    program: str
    folder: Path
    name: str
    peer: int
    web: int = field(default_factory=free_port)
    gossip: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            self.program, f"--config.file={self.folder / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={self.folder / self.name}", f"--web.listen-address={LOOPBACK}:{self.web}",
            f"--cluster.listen-address={LOOPBACK}:{self.gossip}", f"--cluster.peer-timeout={PEER_TIMEOUT:g}s",
            "--cluster.settle-timeout=5s", "--cluster.reconnect-interval=1s",
        ]  # fmt: skip
        if self.peer:
            command.append(f"--cluster.peer={LOOPBACK}:{self.peer}")
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def peers(self) -> int:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.web}/api/v2/status", timeout=2) as answer:
                return len(json.load(answer)["cluster"].get("peers", []))
        except (urllib.error.URLError, OSError):
            return 0


@dataclass
class Told:
    """What one run came to."""

    version: str
    alerts: int
    expected: int
    missing: list[tuple[str, str]]
    again: int
    slowest: float
    killed: float
    back: float


def wait(what: str, ready: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise SystemExit(f"not within {seconds:g} s: {what}")


def shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def run(program: str, seconds: float, seed: int) -> Told:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    version = (said.stdout + said.stderr).split()[2].partition("+")[0]
    chance = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seawall-cluster-")))
        webhook, kept = free_port(), folder / "kept.jsonl"
        registry = Registry("campaign")
        registry.guard("bank", criticality="critical", breaker=Breaker())
        options = Options(
            webhook_url=f"http://{LOOPBACK}:{webhook}/notifications", group_wait=0, group_interval=1.0
        )
        for path, text in build(registry.describe(), options).items():
            if path.startswith("alertmanager/"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
        receive = [
            sys.executable,
            "-m",
            "seawall.cli",
            "receive",
            "--port",
            str(webhook),
            "--file",
            str(kept),
        ]
        receiver = subprocess.Popen(receive, stdout=subprocess.DEVNULL)
        stack.callback(receiver.wait)
        stack.callback(receiver.terminate)
        first = Alertmanager(program, folder, "one", 0)
        second = Alertmanager(program, folder, "two", first.gossip)
        first.peer = second.gossip
        both = (first, second)
        for each in both:
            stack.callback(each.kill)
            each.start()
        wait("the two know each other", lambda: first.peers() == second.peers() == 2)

        began = time.time()
        kill_at, back_at = began + seconds / 3, began + seconds * 2 / 3
        starts = sorted(began + chance.uniform(0, seconds * 0.8) for _ in range(int(seconds)))
        ends = [start + chance.uniform(5, seconds / 3) for start in starts]
        state = "both"
        while time.time() < max(ends) + AFTERWARDS:
            now = time.time()
            if state == "both" and now >= kill_at:
                first.kill()
                state = "one"
            elif state == "one" and now >= back_at:
                first.start()
                state = "again"
            body = [
                {
                    "labels": {
                        "alertname": "SeawallBreakerOpen", "severity": "critical", "job": "campaign",
                        "cluster": "local", "dependency": f"bank-{number}",
                    },
                    "annotations": {"summary": "A circuit breaker is open."},
                    "startsAt": shown(start),
                    "endsAt": shown(end if end <= now else now + 240),
                }
                for number, (start, end) in enumerate(zip(starts, ends, strict=True))
                if start <= now
            ]  # fmt: skip
            for each in both:
                if body and each.process is not None:
                    post(f"http://{LOOPBACK}:{each.web}/api/v2/alerts", body)
            time.sleep(RESEND)
        wait("the two know each other again", lambda: first.peers() == second.peers() == 2)

        arrived: dict[tuple[str, str], list[float]] = {}
        for line in kept.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            for alert in entry["notification"]["alerts"]:
                key = (alert["labels"]["dependency"], alert["status"])
                arrived.setdefault(key, []).append(entry["received"])
    due = {(f"bank-{number}", "firing"): start for number, start in enumerate(starts)}
    due |= {(f"bank-{number}", "resolved"): end for number, end in enumerate(ends)}
    return Told(
        version=version,
        alerts=len(starts),
        expected=len(due),
        missing=sorted(key for key in due if key not in arrived),
        again=sum(Counter({key: len(times) - 1 for key, times in arrived.items()}).values()),
        slowest=max((min(arrived[key]) - due[key] for key in due if key in arrived), default=0.0),
        killed=kill_at - began,
        back=back_at - began,
    )


def programs() -> list[str]:
    installed = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    newer = [
        str(path) for path in sorted(NEWER.glob("prometheus-alertmanager-*/usr/bin/prometheus-alertmanager"))
    ]
    found = [*([installed] if installed else []), *newer]
    if not found:
        raise SystemExit("no Alertmanager is on PATH: make servers")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the outage, for each Alertmanager")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    rows, bad = [], 0
    for program in programs():
        got = run(program, arguments.seconds, arguments.seed)
        bad += len(got.missing)
        rows.append(
            f"| {got.version} | {got.alerts} | {got.expected} | {got.expected - len(got.missing)}"
            f" | {len(got.missing)} | {got.again} | {got.slowest:.1f} | {got.killed:.0f} to {got.back:.0f} |"
        )
        print(rows[-1], *got.missing, flush=True)
    report = "\n".join(
        [
            "# Two Alertmanagers, one killed",
            "",
            f"`python tests/campaigns/cluster.py --seconds {arguments.seconds:g} --seed "
            f"{arguments.seed} --write`,"
            f" {datetime.now(UTC):%Y-%m-%d}: two real Alertmanagers in a cluster, on a generated "
            f"configuration, tell"
            f" one `seawall receive`. Alerts begin and end at random times for "
            f"{arguments.seconds:g} s, each in a"
            f" group of its own, and are sent to both every {RESEND:g} s. After a third of the time "
            f"one is killed"
            " (SIGKILL), after two thirds it is started again on what its disk holds. Allowed: none "
            "missing. An"
            " alert's beginning and its end count as one notification each; what came more than "
            "once is told, and"
            " no fault: at least once is what Alertmanager promises.",
            "",
            "| Alertmanager | alerts | notifications due | arrived | missing | came again | slowest, s"
            " | one was dead, s |",
            "|---|--:|--:|--:|--:|--:|--:|---|",
            *rows,
            "",
        ]
    )
    if arguments.write:
        REPORT.write_text(report, encoding="utf-8")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
