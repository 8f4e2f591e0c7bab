"""The outbox keeps what it is given, in order, whatever happens to the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reference.model import Mail
from reference.outbox import Outbox


def mail(number: int) -> Mail:
    return Mail(f"report-{number}", "a@example.com", "Books", f"Total {number}\n", f"id-{number}")


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    outbox = Outbox(tmp_path / "deep" / "outbox.sqlite")
    await outbox.open()
    yield outbox
    await outbox.close()


async def test_mails_come_out_in_the_order_they_went_in(outbox: Outbox) -> None:
    for number in (3, 1, 2):
        await outbox.add(mail(number))
    seen = []
    while (first := await outbox.first()) is not None:
        seen.append(first[1])
        await outbox.remove(first[0])
    assert seen == [mail(3), mail(1), mail(2)]
    assert await outbox.waiting() == 0


async def test_the_first_stays_until_it_is_removed(outbox: Outbox) -> None:
    await outbox.add(mail(1))
    assert await outbox.first() == await outbox.first()
    assert await outbox.waiting() == 1


async def test_the_same_mail_is_kept_once(outbox: Outbox) -> None:
    once, again = await outbox.add(mail(1)), await outbox.add(mail(1))
    assert once == again
    assert await outbox.waiting() == 1


async def test_mails_outlive_the_process(outbox: Outbox, tmp_path: Path) -> None:
    await outbox.add(mail(1))
    # A second one on the same file, while the first was never closed: as after a crash.
    other = Outbox(tmp_path / "deep" / "outbox.sqlite")
    await other.open()
    first = await other.first()
    await other.close()
    assert first is not None
    assert first[1] == mail(1)


async def test_a_closed_outbox_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await Outbox(tmp_path / "outbox.sqlite").waiting()
