"""The table of verdicts, row by row: exceptions, groups of them, types and predicates."""

from __future__ import annotations

from asyncio import CancelledError

import pytest

from seawall.resilience.verdict import Verdicts, leaves, matches, neutral


class Status(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


def is_bad(error: BaseException) -> bool:
    return isinstance(error, Status) and error.code >= 500


def group(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("", errors)


PLAIN = Verdicts()
NAMED = Verdicts(record=(OSError,), ignore=(KeyError,))
JUDGED = Verdicts(record_if=is_bad)
BOTH = Verdicts(
    record=(OSError,), record_if=is_bad, ignore_if=lambda e: isinstance(e, Status) and e.code == 501
)
ALL = Verdicts(ignore=(ExceptionGroup,))


@pytest.mark.parametrize(
    ("verdicts", "error", "outcome"),
    [
        (PLAIN, ValueError(), "failure"),
        (PLAIN, TimeoutError(), "timeout"),
        (PLAIN, CancelledError(), "cancelled"),
        (PLAIN, KeyboardInterrupt(), "cancelled"),
        (PLAIN, GeneratorExit(), "cancelled"),
        (PLAIN, group(TimeoutError(), ValueError()), "failure"),
        (PLAIN, group(TimeoutError()), "timeout"),
        (PLAIN, group(ValueError(), group(CancelledError())), "cancelled"),
        (NAMED, OSError(), "failure"),
        (NAMED, TimeoutError(), "timeout"),
        (NAMED, KeyError(), "ignored"),
        (NAMED, ValueError(), "ignored"),
        (NAMED, group(KeyError(), ValueError()), "ignored"),
        (NAMED, group(KeyError(), TimeoutError()), "timeout"),
        (JUDGED, Status(500), "failure"),
        (JUDGED, Status(404), "ignored"),
        (JUDGED, ValueError(), "ignored"),
        (BOTH, Status(500), "failure"),
        (BOTH, Status(501), "ignored"),
        (BOTH, Status(404), "ignored"),
        (BOTH, OSError(), "failure"),
        (ALL, ExceptionGroup("", [ValueError()]), "ignored"),
        (ALL, ValueError(), "failure"),
    ],
)
def test_outcomes(verdicts: Verdicts, error: BaseException, outcome: str) -> None:
    assert verdicts.outcome(error) == outcome


@pytest.mark.parametrize(
    ("verdicts", "error", "ignored"),
    [
        (PLAIN, ValueError(), False),
        (NAMED, KeyError(), True),
        (NAMED, ValueError(), False),
        (NAMED, group(KeyError(), KeyError()), True),
        (NAMED, group(KeyError(), ValueError()), False),
        (BOTH, Status(501), True),
        (BOTH, Status(404), False),
        (BOTH, group(Status(501)), True),
        (ALL, ExceptionGroup("", [ValueError()]), True),
        (ALL, ValueError(), False),
    ],
)
def test_what_is_declared_as_no_failure(verdicts: Verdicts, error: BaseException, ignored: bool) -> None:
    assert verdicts.ignores(error) is ignored


def test_leaves_of_a_group() -> None:
    one, two, three = ValueError(), KeyError(), OSError()
    assert list(leaves(group(one, group(two, group(three))))) == [one, two, three]
    assert list(leaves(one)) == [one]
    assert matches(group(one, group(two)), (KeyError,))
    assert matches(group(one), (BaseExceptionGroup,))
    assert matches(two, (LookupError,))
    assert not matches(group(one, group(two)), (OSError,))
    assert neutral(group(one, group(CancelledError())))
    assert neutral(SystemExit())
    assert not neutral(group(one, two))
