"""The four services: what they compute, and what they keep when a dependency is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from reference import guards, sample
from reference.cache import ProcessCache
from reference.database import Database, open_database
from reference.dependencies import bank
from reference.dependencies.mail import serve as serve_mail
from reference.model import BankRefused, Mail, StatementBatch, Waiting
from reference.outbox import Outbox
from reference.sample import Entry
from reference.services.analytics import AnalyticsService
from reference.services.files import FileService
from reference.services.mail import EmailService
from reference.services.reconciliation import Bank, ReconciliationEngine, match
from reference.spool import Spool
from seawall.resilience import BreakerOpen

DAY = date(2026, 1, 5)


@pytest.fixture(autouse=True)
def closed_breakers() -> Iterator[None]:
    for guard in guards.registry:
        guard.force("closed")
    yield
    for guard in guards.registry:
        guard.force("closed")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield database
    await database.close()


class TestReconciliation:
    def test_matching_tells_the_four_cases_apart(self) -> None:
        ours = [Entry("same", 1), Entry("other amount", 2), Entry("only here", 3)]
        theirs = [Entry("same", 1), Entry("other amount", 9), Entry("only there", 4)]
        result = match(DAY, ours, StatementBatch(tuple(theirs), 100.0), 99.0)
        assert result.matched == 1
        assert result.different == ("other amount",)
        assert result.missing_at_bank == ("only here",)
        assert result.missing_in_ledger == ("only there",)

    def test_when_the_bank_s_side_is_unknown_nothing_is_called_missing_there(self) -> None:
        result = match(DAY, [Entry("a", 1)], StatementBatch.unknown(), 99.0)
        assert (result.matched, result.missing_at_bank, result.statements_age) == (0, (), None)
        assert result.degraded

    def test_a_statement_from_before_the_question_is_a_degraded_answer(self) -> None:
        older = match(DAY, [], StatementBatch((), 98.9), 99.0)
        assert older.degraded
        assert older.statements_age == pytest.approx(0.1)
        assert not match(DAY, [], StatementBatch((), 99.0), 99.0).degraded

    async def test_a_day_against_the_bank_s_own_api(self, database: Database) -> None:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(bank.app), base_url="http://bank"
        ) as client:
            result = await ReconciliationEngine(database, Bank(client)).reconcile(DAY)
        assert (result.matched, len(result.different)) == (115, 2)
        assert (len(result.missing_at_bank), len(result.missing_in_ledger)) == (3, 2)
        saved = await database.fetch("SELECT matched, differences, provisional FROM runs")
        assert saved == [(115, 7, 0)]

    async def test_a_dead_bank_gives_the_earlier_statement_and_else_an_unknown_one(
        self, database: Database
    ) -> None:
        dead = False

        async def answer(request: httpx.Request) -> httpx.Response:
            if dead:
                raise httpx.ConnectError("gone", request=request)
            day = request.url.params["day"]
            return httpx.Response(200, json={"day": day, "entries": [{"reference": "x", "amount_cents": 1}]})

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://bank") as client:
            engine = ReconciliationEngine(database, Bank(client))
            fresh = await engine.reconcile(DAY)
            dead = True
            older = await engine.reconcile(DAY)
            unknown = await engine.reconcile(date(1999, 12, 31))
        assert fresh.missing_in_ledger == older.missing_in_ledger == ("x",)
        assert (fresh.degraded, older.degraded, unknown.degraded) == (False, True, True)
        assert older.statements_age is not None
        assert unknown.statements_age is None

    async def test_a_refusal_by_the_bank_is_no_failure_of_the_bank(self) -> None:
        def refuse(_: httpx.Request) -> httpx.Response:
            return httpx.Response(400)

        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://bank") as client:
            for _ in range(30):
                with pytest.raises(BankRefused):
                    await Bank(client).statements(DAY)
        assert guards.bank_api.state == "closed"


class TestAnalytics:
    async def test_totals_are_right_and_then_come_from_the_cache(self, database: Database) -> None:
        service = AnalyticsService(database, ProcessCache())
        amounts = [row.amount_cents for row in sample.ledger_rows(DAY)]
        first = await service.totals(DAY)
        assert (first.rows, first.amount_cents, first.largest_cents) == (120, sum(amounts), max(amounts))
        await database.execute("DELETE FROM ledger")
        assert await service.totals(DAY) == first

    async def test_without_a_cache_they_are_computed_each_time(self, database: Database) -> None:
        class Gone(ProcessCache):
            async def get(self, key: str) -> str | None:
                raise ConnectionRefusedError

            async def put(self, key: str, value: str, seconds: float) -> None:
                raise ConnectionRefusedError

        service = AnalyticsService(database, Gone())
        for _ in range(20):
            assert (await service.totals(DAY)).rows == 120
        assert guards.cache.state == "open"


class FlakyStore:
    """The one method of an fsspec filesystem that is used; it fails while `up` is false."""

    def __init__(self) -> None:
        self.up = True
        self.objects: dict[str, bytes] = {}

    async def _pipe_file(self, path: str, value: bytes) -> None:
        if not self.up:
            raise ConnectionResetError
        self.objects[path] = value


class TestFiles:
    @pytest.fixture
    def store(self) -> FlakyStore:
        return FlakyStore()

    @pytest.fixture
    def service(self, store: FlakyStore, tmp_path: Path) -> FileService:
        spool = Spool(tmp_path / "spool")
        spool.open()
        return FileService(store, "exports", spool)

    async def test_an_upload_goes_to_the_store(self, service: FileService, store: FlakyStore) -> None:
        assert await service.upload("a", b"1") is None
        assert store.objects == {"exports/a": b"1"}

    async def test_what_cant_go_waits_and_goes_later(self, service: FileService, store: FlakyStore) -> None:
        store.up = False
        assert isinstance(await service.upload("a", b"1"), Waiting)
        with pytest.raises(ConnectionResetError):
            await service.drain()
        assert service.waiting() == 1
        store.up = True
        assert await service.drain() == 1
        assert (store.objects, service.waiting()) == ({"exports/a": b"1"}, 0)

    async def test_a_later_version_does_not_overtake(self, service: FileService, store: FlakyStore) -> None:
        store.up = False
        await service.upload("a", b"1")
        store.up = True
        assert isinstance(await service.upload("a", b"2"), Waiting)
        assert await service.drain() == 2
        assert store.objects == {"exports/a": b"2"}

    async def test_an_open_breaker_stops_the_drain_and_loses_nothing(
        self, service: FileService, store: FlakyStore
    ) -> None:
        store.up = False
        for number in range(10):
            await service.upload(str(number), b"x")
        assert guards.files.state == "open"
        with pytest.raises(BreakerOpen):
            await service.drain()
        assert service.waiting() == 10


class TestMail:
    async def test_a_mail_that_cant_be_sent_waits_and_arrives_later(self, tmp_path: Path) -> None:
        outbox = Outbox(tmp_path / "outbox.sqlite")
        await outbox.open()
        server = await serve_mail(0, tmp_path / "mails")
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        service = EmailService("127.0.0.1", port, outbox)
        assert isinstance(await service.send(mail("r1")), Waiting)
        server = await serve_mail(port, tmp_path / "mails")
        assert await service.drain() == 1
        assert await service.send(mail("r2")) is None
        assert await service.waiting() == 0
        texts = [path.read_text() for path in (tmp_path / "mails").glob("*.eml")]
        server.close()
        await outbox.close()
        assert len(texts) == 2
        for key in ("r1", "r2"):
            assert sum(f"<{key}@" in text and f"X-Correlation-ID: id-{key}" in text for text in texts) == 1


def mail(key: str) -> Mail:
    return Mail(key, "a@example.com", "Books", "Total\n", f"id-{key}")
