"""Numbers in Airtable: what its rows of Deliveries and Accounts are to show, and telling them.

They go through the outbox as rows of another kind than the states of posts, so that no tick waits for them.
A row is told again only where a number that it shows has changed. Telling takes its time: one call a second,
so that the tick keeps its four, and a share of the month's calls where these are limited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.client import BATCH, FIELD_AT_FAULT, UNKNOWN_FIELD, AirtableClient
from schedulo.airtable.rows import Update
from schedulo.airtable.schema import ACCOUNT_NUMBERS, ACCOUNTS, DELIVERIES, NUMBERS_AT, POST_NUMBERS
from schedulo.analytics.figures import Growth, Latest, growth, latest, read_since
from schedulo.clock import iso
from schedulo.delivery import restored
from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.delivery.news import NUMBERS
from schedulo.errors.airtable import AirtableRefused
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import accounts, outbox
from schedulo.settings import Settings

MONTHLY_SHARE = 0.2
"""Of `airtable_monthly_calls`; an even part of it each day."""
TELL_FOR_S = 1800.0
"""How long one run tells at the most; the rest is the next run's."""
CALL_S = 45.0
LEASE_S = 120.0
STALE_DAYS = 3
"""What an account got in seven days is shown while they ended no longer ago."""
OVERLAP = timedelta(days=2)
"""Readings are kept some time after they were made."""
ROWS_AT_ONCE = 500
"""Rows of one transaction."""
TOLD_MARK, CALLS_MARK, LEASE = "numbers:told", "numbers:calls", "numbers"

_O = outbox.c


@dataclass(slots=True)
class Told:
    """What one run did."""

    say: Callable[[str], object]
    rows: int = 0
    calls: int = 0


def tell_numbers(
    ledger: Ledger,
    client: Callable[[], AirtableClient],
    settings: Settings,
    now_ms: int,
    holder: str,
    *,
    every_s: float = 0.0,
    say: Callable[[str], object] = lambda sentence: None,
) -> Told:
    """Find what has changed and tell it, unless somebody else does, or it was done less than `every_s` ago.

    :param client: made only when there is something to tell; of `BESIDE_PER_S`
    :param say: takes what is done, as sentences for the log
    :raises AirtableError: where Airtable takes no more; what it took before counts as told
    """
    told = Told(say)
    with ledger.begin() as connection:
        database_ms = ledger.now_ms(connection)
        before, told_ms = marks.read(connection, TOLD_MARK)
        if every_s and now_ms - told_ms < every_s * 1000:
            told.say("numbers were told a short time ago")
            return told
        if reason := restored.why_not(connection):
            told.say(reason)
            return told
        if not marks.lease(connection, database_ms, LEASE, holder, LEASE_S):
            told.say("another run tells numbers")
            return told
    try:
        since = datetime.fromisoformat(before) - OVERLAP if before else None
        changed = note(ledger, now_ms, since)
        told.say(f"{changed} rows have new numbers")
        _flush(ledger, client, settings, now_ms, holder, told)
        with ledger.begin() as connection:
            marks.mark(connection, now_ms, TOLD_MARK, datetime.fromtimestamp(now_ms / 1000, UTC).isoformat())
    finally:
        told.say(f"{told.rows} rows were told in {told.calls} calls")
        with ledger.begin() as connection:
            marks.release(connection, ledger.now_ms(connection), LEASE, holder)
    return told


# --- what is to be shown -------------------------------------------------------------------------------


def note(ledger: Ledger, now_ms: int, since: datetime | None) -> int:
    """Bring the outbox in line with the numbers of posts read since (None: ever) and of all accounts; answers
    how many rows are to be told anew."""
    changed = 0
    with ledger.read() as connection:
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        of_accounts = [
            (f"{NUMBERS}:account:{item.account_key}", _account_cells(item, today))
            for item in growth(connection, today - timedelta(days=16), today + timedelta(days=1))
        ]
        post_keys = read_since(connection, since)
    changed += _noted(ledger, now_ms, of_accounts)
    for start in range(0, len(post_keys), ROWS_AT_ONCE):
        with ledger.read() as connection:
            of_posts = [
                (f"{NUMBERS}:{item.post_key}", _post_cells(item))
                for item in latest(connection, post_keys[start : start + ROWS_AT_ONCE])
            ]
        changed += _noted(ledger, now_ms, of_posts)
    return changed


def _noted(ledger: Ledger, now_ms: int, rows: Iterable[tuple[str, dict[str, Any]]]) -> int:
    wanted = dict(rows)
    with ledger.read() as connection:
        query = sa.select(_O.key, _O.content).where(_O.key.in_(list(wanted)))
        known = {row.key: row.content for row in connection.execute(query)}
    new = [
        {"key": key, "kind": NUMBERS, "content": cells, "version": 1, "told_version": 0, "changed_ms": now_ms}
        for key, cells in wanted.items()
        if _numbers(cells) != _numbers(known.get(key))
    ]
    if new:
        with ledger.begin() as connection:
            statement = upsert(connection, outbox)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["key"],
                    set_={
                        "content": statement.excluded.content,
                        "version": _O.version + 1,
                        "changed_ms": now_ms,
                    },
                ),
                new,
            )
    return len(new)


def _numbers(cells: dict[str, Any] | None) -> dict[str, Any]:
    """What a row shows but for when it was read; nothing where all cells are empty."""
    shown = {name: value for name, value in (cells or {}).items() if name != NUMBERS_AT}
    return {} if all(value is None for value in shown.values()) else shown


def _post_cells(item: Latest) -> dict[str, Any]:
    return {name: _whole(item.values[name.lower()]) for name in POST_NUMBERS} | {
        NUMBERS_AT: _iso(item.read_at)
    }


def _account_cells(item: Growth, today: date) -> dict[str, Any]:
    followers_on = max(item.followers.days, default=None)
    fresh = item.end is not None and (today - item.end).days <= STALE_DAYS
    views = engagements = followers = None
    if fresh and item.end is not None:
        followers = item.followers.stand(item.end, 7).change
        views = item.views.total(item.end, 7)
        engagements = item.engagements.total(item.end, 7)
    numbers = (
        None if followers_on is None else item.followers.days[followers_on],
        followers,
        views,
        engagements,
    )
    cells = dict(zip(ACCOUNT_NUMBERS, map(_whole, numbers), strict=True))
    return cells | {NUMBERS_AT: _iso(item.read_at)}


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(int(moment.timestamp() * 1000))


# --- telling it ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pending:
    version: int
    update: Update


def _flush(
    ledger: Ledger,
    client: Callable[[], AirtableClient],
    settings: Settings,
    now_ms: int,
    holder: str,
    told: Told,
) -> None:
    """Tell what is untold: accounts first, then posts, those that have waited longest first.

    What Airtable refuses of one table, such as one that may not be edited, costs the other nothing.
    """
    client = cache(client)  # both tables keep one pace
    until = time.monotonic() + TELL_FOR_S
    refused: AirtableRefused | None = None
    for table in (ACCOUNTS, DELIVERIES):
        try:
            _flush_table(ledger, client, settings, now_ms, holder, told, table, until)
        except AirtableRefused as error:
            told.say(f"{table}: {error}")
            refused = refused or error
    if refused is not None:
        raise refused


def _flush_table(
    ledger: Ledger,
    client: Callable[[], AirtableClient],
    settings: Settings,
    now_ms: int,
    holder: str,
    told: Told,
    table: str,
    until: float,
) -> None:
    with ledger.read() as connection:
        waiting = iter(_pending(connection, table))
    while batch := list(islice(waiting, BATCH)):
        if time.monotonic() > until:
            told.say("the rest is told by the next run")
            return
        with ledger.begin() as connection:
            if not _may_call(connection, settings, now_ms):
                told.say("today's part of the month's calls is used up; the rest is told later")
                return
            if not marks.lease(connection, ledger.now_ms(connection), LEASE, holder, LEASE_S):
                told.say("another run has taken over")
                return
        made = client()
        before = made.calls.count
        try:
            with made.within(CALL_S):
                written = made.write_cells(table, [item.update for item in batch])
        except AirtableRefused as error:
            if error.code not in FIELD_AT_FAULT:
                raise
            told.say(_unfit(ledger, made, table, error))
            return
        finally:
            told.calls += made.calls.count - before
            with ledger.begin() as connection:
                _called(connection, now_ms, made.calls.count - before)
        versions = {item.update.key: item.version for item in batch}
        with ledger.begin() as connection:
            for item in written:
                values = {"told_version": versions[item.key], "record_id": item.record_id}
                connection.execute(sa.update(outbox).where(_O.key == item.key).values(**values))
            over(connection, ledger.now_ms(connection), Trouble.SETUP, _about(table))
        told.rows += sum(not item.error for item in written)
        for item in written:
            if item.error:
                told.say(f"{item.key}: {item.error}")


def _pending(connection: sa.Connection, table: str) -> list[_Pending]:
    """What is untold, or was told to a row that another has taken the place of."""
    theirs: sa.FromClause
    if table == ACCOUNTS:
        record_id = accounts.c.record_id
        theirs = accounts
        key = sa.literal(f"{NUMBERS}:account:") + accounts.c.key
    else:
        told = outbox.alias()
        record_id = told.c.record_id
        theirs = told
        key = sa.literal(f"{NUMBERS}:") + told.c.key
    query = (
        sa.select(_O.key, _O.version, _O.content, record_id.label("record"))
        .join_from(outbox, theirs, _O.key == key)
        .where(
            _O.kind == NUMBERS,
            record_id.is_not(None),
            record_id != "",
            sa.or_(_O.version > _O.told_version, _O.record_id.is_distinct_from(record_id)),
        )
        .order_by(_O.changed_ms, _O.key)
    )
    return [
        _Pending(row.version, Update(row.key, row.record, row.content)) for row in connection.execute(query)
    ]


def _may_call(connection: sa.Connection, settings: Settings, now_ms: int) -> bool:
    if not settings.airtable_monthly_calls:
        return True
    allowed = max(1, int(settings.airtable_monthly_calls * MONTHLY_SHARE / 30))
    return _calls_of(connection, now_ms) < allowed


def _calls_of(connection: sa.Connection, now_ms: int) -> int:
    """The calls that numbers took today."""
    value, _ = marks.read(connection, CALLS_MARK)
    day, _, count = (value or "").partition(":")
    return int(count) if day == _today(now_ms) else 0


def _called(connection: sa.Connection, now_ms: int, calls: int) -> None:
    count = _calls_of(connection, now_ms) + calls
    marks.mark(connection, now_ms, CALLS_MARK, f"{_today(now_ms)}:{count}")


def _today(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()


def _about(table: str) -> str:
    return f"numbers in {table}"


def _unfit(ledger: Ledger, client: AirtableClient, table: str, error: AirtableRefused) -> str:
    """A base that was made before there were numbers, or has fields of that name but another type: say once
    which command helps."""
    names = ACCOUNT_NUMBERS if table == ACCOUNTS else POST_NUMBERS
    fields = ", ".join(client.mapping.field(table, name) for name in (*names, NUMBERS_AT))
    wrong, remedy = (
        ("it lacks one of the fields", "`schedulo airtable create`, which adds them")
        if error.code == UNKNOWN_FIELD
        else ("something else is in one of the fields", "`schedulo airtable check`, which says what to mend")
    )
    sentence = (
        f"numbers are not shown in the table '{client.mapping.table(table)}': {wrong} {fields} "
        f"({error.message}). The operator runs {remedy}."
    )
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        incident(connection, now_ms, Trouble.SETUP, sentence, actor=Actor.OPERATOR, about=_about(table))
    return sentence
