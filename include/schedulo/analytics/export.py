"""Hands the numbers out: any table or view of the warehouse as CSV, or all of it as a SQLite file.

Both stream: the size of the warehouse is no matter.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TextIO

import sqlalchemy as sa

from schedulo.ledger import views
from schedulo.ledger.database import Ledger
from schedulo.ledger.view_texts import VIEWS
from schedulo.ledger.warehouse import ON_SQLITE, SCHEMA, Warehouse, warehouse_of

AT_ONCE = 1_000
_DATED = ("started_at", "date", "published_on", "read_at", "since")
"""Columns that say when a row is of; the first that a table has counts."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A text that begins so is a formula for spreadsheet programs, and could come from anybody."""


class ExportError(ValueError):
    """Something that cannot be handed out as it was asked for; the message says why, and what can."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows are wanted; None: all."""

    since: date | None = None
    until: date | None = None
    """The last day, included."""
    account_key: str | None = None


@dataclass(frozen=True, slots=True)
class _Relation:
    """A table or view."""

    name: str
    selectable: sa.FromClause
    key: tuple[str, ...]


def names() -> list[str]:
    """What can be handed out: the views, then the tables."""
    return [view.name for view in VIEWS] + sorted(_tables(ON_SQLITE, f"{SCHEMA}_"))


def write_csv(connection: sa.Connection, name: str, to: TextIO, part: Part | None = None) -> int:
    """Write a table or view as CSV (RFC 4180), its column names first; answers the number of rows.

    Empty: not known. Days are ISO 8601 dates, instants ISO 8601 in UTC. A text that a spreadsheet program
    would take for a formula begins with an apostrophe.

    :param name: one of `names`, with or without `analytics.`
    :raises ExportError: there is no such table, no such account, or the rows have no such thing
    """
    relation = _relation(connection, name)
    table = relation.selectable
    query = sa.select(table).where(*_conditions(connection, relation, part or Part()))
    query = query.order_by(*(table.c[column] for column in relation.key))
    writer = csv.writer(to)
    writer.writerow(column.name for column in table.c)
    count = 0
    options = {"stream_results": True, "yield_per": AT_ONCE}
    for row in connection.execution_options(**options).execute(query):
        writer.writerow(map(_cell, row))
        count += 1
    return count


def copy(ledger: Ledger, path: Path) -> dict[str, int]:
    """Make a SQLite file of the warehouse's tables and views, as they stand at one instant. Nothing of the
    ledger is in it.

    :returns: rows by table
    :raises ExportError: there is a file of this name already
    """
    if path.exists():
        raise ExportError(f"FILE ({path}): it exists. Name another, or remove it.")
    if not path.parent.is_dir():
        raise ExportError(f"FILE ({path}): there is no such folder. Make it first.")
    half = path.with_name(path.name + ".part")
    half.unlink(missing_ok=True)
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(half)))
    try:
        with _at_one_instant(ledger) as source, engine.begin() as target:
            counts = _copy(source, target)
            views.make(target)
        engine.dispose()
        half.rename(path)
    except BaseException:
        engine.dispose()
        with suppress(FileNotFoundError):
            half.unlink()
        raise
    return counts


# --- what is there ----------------------------------------------------------------------------------------


def _tables(house: Warehouse, prefix: str) -> dict[str, sa.Table]:
    return {table.name.removeprefix(prefix): table for table in house.metadata.sorted_tables}


def _relation(connection: sa.Connection, name: str) -> _Relation:
    short = name.removeprefix(f"{SCHEMA}.").removeprefix(f"{SCHEMA}_")
    dialect = connection.dialect.name
    for view in VIEWS:
        if view.name == short:
            return _Relation(short, views.view_of(view, dialect), view.key)
    prefix = "" if dialect == "postgresql" else f"{SCHEMA}_"
    table = _tables(warehouse_of(connection), prefix).get(short)
    if table is None:
        raise ExportError(f"VIEW ({name}): there is none of this name. There are {', '.join(names())}.")
    return _Relation(short, table, tuple(column.name for column in table.primary_key))


def _conditions(
    connection: sa.Connection, relation: _Relation, part: Part
) -> Iterator[sa.ColumnElement[bool]]:
    columns = relation.selectable.c
    if part.since is not None or part.until is not None:
        dated = next((columns[one] for one in _DATED if one in columns), None)
        if dated is None:
            raise ExportError(
                f"VIEW ({relation.name}): its rows have no dates. Leave out --since and --until."
            )
        if part.since and part.until and part.until < part.since:
            raise ExportError(f"--until ({part.until}): it is before --since ({part.since}). Exchange them.")
        instants = isinstance(dated.type, sa.TypeDecorator)
        if part.since is not None:
            yield dated >= (_midnight(part.since) if instants else part.since)
        if part.until is not None:
            after = part.until + timedelta(days=1)
            yield dated < (_midnight(after) if instants else after)
    if part.account_key is not None:
        house = warehouse_of(connection)
        accounts, posts = house.accounts.c, house.posts.c
        known = sa.select(accounts.account_key).where(accounts.account_key == part.account_key)
        if connection.execute(known).first() is None:
            raise ExportError(
                f"--account ({part.account_key}): there is none. Accounts are named as platform:id; "
                "`schedulo analytics csv accounts` lists them."
            )
        if "account_key" in columns:
            yield columns["account_key"] == part.account_key
        elif "post_key" in columns:
            of_account = sa.select(posts.post_key).where(posts.account_key == part.account_key)
            yield columns["post_key"].in_(of_account)
        else:
            raise ExportError(f"VIEW ({relation.name}): its rows belong to no account. Leave out --account.")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case str():
            return f"'{value}" if value.startswith(_FORMULA) else value
        case _:
            return str(value)


# --- copying ----------------------------------------------------------------------------------------------


@contextmanager
def _at_one_instant(ledger: Ledger) -> Iterator[sa.Connection]:
    """A transaction that sees the same rows to its end."""
    if ledger.is_sqlite:
        with ledger.read() as connection:
            yield connection
    else:
        options = {"isolation_level": "REPEATABLE READ"}
        with ledger.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection


def _copy(source: sa.Connection, target: sa.Connection) -> dict[str, int]:
    ON_SQLITE.metadata.create_all(target)
    targets: Mapping[str, sa.Table] = _tables(ON_SQLITE, f"{SCHEMA}_")
    prefix = "" if source.dialect.name == "postgresql" else f"{SCHEMA}_"
    counts = {}
    for name, table in _tables(warehouse_of(source), prefix).items():
        options = {"stream_results": True, "yield_per": AT_ONCE}
        found = source.execution_options(**options).execute(sa.select(table))
        counts[name] = 0
        for rows in found.mappings().partitions(AT_ONCE):
            target.execute(sa.insert(targets[name]), [dict(row) for row in rows])
            counts[name] += len(rows)
    return counts
