"""What the campaign of mutants has to say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from tests.campaigns.mutation_order import QUICK, SURE
from tests.campaigns.mutation_results import Fate, Mutant, Result, Run
from tests.campaigns.mutation_survivors import Explained, Survivor

ENOUGH = 0.95
INTRODUCTION = """\
# Mutants of the core

`{command}`, {date}, at commit {commit}, mutmut {mutmut}: every function of `exporter/seawall/resilience` \
changed in one place at a time, and the tests of the core run against the change, until one fails. A \
survivor met every test that runs its function. The tool leaves decorated functions (properties, context \
managers), defaults of settings and constants of modules alone. Examples of property tests are the same \
for every mutant; there is no seed.

A time-out is a change that was noticed. It counts only if the mutant comes to an end a second time, with \
no other beside it; so do crashes, failures of the slowest {slow:.0%} of the tests, and failures after \
{sure} tests that passed: {again} in all. What is limited is processor time, and real time generously, so \
that a busy machine ends nothing.
"""
ROW = "| {} | {} | {:.1%} |"


class Counts(Counter[str]):
    @property
    def score(self) -> float:
        return (self[Fate.KILLED] + self[Fate.TIMEOUT]) / max(1, self.total_mutants - self[Fate.OPEN])

    @property
    def total_mutants(self) -> int:
        return sum(self[fate] for fate in Fate)

    def row(self, name: str) -> str:
        fates = (Fate.OPEN, Fate.KILLED, Fate.TIMEOUT, Fate.SURVIVED)
        numbers = (self.total_mutants, *(self[fate] for fate in fates), self["equivalent"])
        return ROW.format(name, " | ".join(f"{number:,}" for number in numbers), self.score)


def counts(
    mutants: Iterable[Mutant], results: Mapping[str, Result], equivalent: Iterable[Survivor]
) -> dict[str, Counts]:
    """By module."""
    found: defaultdict[str, Counts] = defaultdict(Counts)
    for mutant in mutants:
        result = results.get(mutant.key)
        found[mutant.module][Fate.OPEN if result is None else result.fate] += 1
    for one in equivalent:
        found[one.module]["equivalent"] += 1
    return dict(found)


def report(
    runs: Sequence[Run], results: Mapping[str, Result], by_module: Mapping[str, Counts], found: Explained
) -> str:
    total = _total(by_module)
    lines = [
        INTRODUCTION.format(
            command=_command(runs[0]),
            date=runs[0].began[:10],
            commit=runs[0].commit,
            mutmut=version("mutmut"),
            slow=1 - QUICK,
            sure=SURE,
            again=f"{sum(result.again for result in results.values()):,}",
        ),
        *_runs(runs, results),
        "| module | mutants | not run | killed | timeout | survived | of these equivalent | score |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(one.row(module) for module, one in by_module.items()),
        total.row("**all**"),
        "",
    ]
    if found.unexplained:
        lines += ["## Survivors that a test should kill", "", *_items(found.unexplained)]
    lines += ["## Survivors without effect", ""]
    for reason, survivors in found.by_reason.items():
        lines += [reason, "", *_items(survivors)]
    return "\n".join(lines)


def missing(by_module: Mapping[str, Counts], found: Explained) -> list[str]:
    """What the campaign lacks to be good."""
    total = _total(by_module)
    said = []
    if total.score < ENOUGH:
        said.append(f"{total.score:.1%} noticed, {ENOUGH:.0%} asked for")
    if found.unexplained:
        said.append(f"{len(found.unexplained)} survivors without a reason")
    if total[Fate.OPEN]:
        said.append(f"{total[Fate.OPEN]:,} mutants not run")
    return said


def _total(by_module: Mapping[str, Counts]) -> Counts:
    total = Counts()
    for one in by_module.values():
        total.update(one)
    return total


def _command(run: Run) -> str:
    return f"make mutation ARGS='{run.arguments}'" if run.arguments else "make mutation"


def _items(survivors: Iterable[Survivor]) -> list[str]:
    return [*(f"- {one}" for one in survivors), ""]


def _runs(runs: Sequence[Run], results: Mapping[str, Result]) -> list[str]:
    """Each run of the command; what is counted below is each mutant's last result."""
    lines = ["| run | began | commit | mutants | seconds |", "|---|---|---|--:|--:|"]
    for run in runs:
        seconds = "interrupted" if run.seconds is None else f"{run.seconds:,.0f}"
        lines.append(f"| `{_command(run)}` | {run.began} | {run.commit} | {run.mutants:,} | {seconds} |")
    at = Counter(result.commit for result in results.values())
    if len(at) > 1:
        each = ", ".join(f"{number:,} at {commit}" for commit, number in at.most_common())
        lines += ["", f"The last result of each mutant counts: {each}."]
    return [*lines, ""]
