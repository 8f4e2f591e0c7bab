"""The ledger's database, the same on SQLite and on a PostgreSQL that is started for it where there is one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import pytest

from reference import sample
from reference.database import Database, open_database

DAY = date(2026, 1, 5)


def postgres_programs() -> Path | None:
    """The folder of initdb and pg_ctl; Debian keeps it off PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    pytest.importorskip("asyncpg")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here")
    become: list[str] = []
    if os.getuid() == 0:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root")
        become = ["runuser", "-u", "postgres", "--"]
    # Not pytest's own folder: that one is closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory() as folder:
        if become:
            shutil.chown(folder, "postgres")
        yield from cluster(programs, Path(folder), become)


def cluster(programs: Path, folder: Path, become: list[str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -F"
    make: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "test"]
    control: list[str | Path] = [*become, programs / "pg_ctl", "-D", folder / "data", "-w"]
    subprocess.run([*become, *make], check=True, capture_output=True, cwd="/")
    start = [*control, "-l", folder / "log", "-o", options, "start"]
    subprocess.run(start, check=True, capture_output=True, cwd="/")
    try:
        yield f"postgresql://test@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=True, capture_output=True, cwd="/")


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")
    database = await open_database(url)
    yield database
    await database.execute("DELETE FROM ledger")
    await database.execute("DELETE FROM runs")
    await database.close()


async def test_a_day_of_the_ledger_and_its_totals(database: Database) -> None:
    rows = sample.ledger_rows(DAY)
    assert await database.ledger(DAY) == rows
    totals = await database.totals(DAY)
    assert (totals.rows, totals.amount_cents) == (len(rows), sum(row.amount_cents for row in rows))


async def test_a_day_without_bookings_has_totals_of_nothing(database: Database) -> None:
    totals = await database.totals(date(1999, 1, 1))
    assert (totals.rows, totals.amount_cents, totals.largest_cents) == (0, 0, 0)


async def test_preparing_again_changes_nothing(database: Database) -> None:
    await database.prepare()
    assert await database.ledger(DAY) == sample.ledger_rows(DAY)


async def test_a_later_outcome_takes_the_place_of_the_earlier(database: Database) -> None:
    await database.save(DAY, 1, 2, True)
    await database.save(DAY, 3, 4, False)
    found = await database.fetch("SELECT day, matched, differences, provisional FROM runs")
    assert found == [(DAY.isoformat(), 3, 4, 0)]


async def test_rows_are_written_all_or_none(database: Database) -> None:
    day, reference = DAY.isoformat(), "new"
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await database.execute(
            "INSERT INTO ledger (day, reference, amount_cents) VALUES ($1, $2, $3)",
            (day, reference, 1),
            (day, reference, 2),
        )
    assert await database.ledger(DAY) == sample.ledger_rows(DAY)


async def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must begin with sqlite:/// or postgresql://, got mysql://$"):
        await open_database("mysql://host/x")
