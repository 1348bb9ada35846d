"""The data dictionary: tables and views by their comments, metrics by the platforms' catalogues."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from generating.markdown import page, table
from generating.source import texts_under
from schedulo.airtable import schema
from schedulo.analytics.dimensions import catalogue
from schedulo.ledger.view_texts import VIEWS, View
from schedulo.ledger.warehouse import ON_POSTGRESQL, SCHEMA
from schedulo.measures import Availability

_HEAD = ("column", "type", "what it is")
_METRIC_HEAD = ("metric", "the platform's name", "kind", "unit", "formats", "past days", "what it counts")
_SOURCES = "Where the platforms say so is in the column `source` of `metrics`."


def dictionary_page() -> str:
    parts = [
        f"The numbers of posts and accounts: what each table and view holds. On PostgreSQL they are in the "
        f"schema `{SCHEMA}` (`{SCHEMA}.posts`), and each column carries what is said here as its comment; on "
        f"SQLite their names begin with `{SCHEMA}_` (`{SCHEMA}_posts`). [Ten questions](../how-to/"
        "query-the-numbers.md) show how to ask; [how to connect a program](../how-to/connect-a-bi-tool.md).",
        "*Empty* (NULL) is never 0: it means that the number is not known, and `availability` and `reason` "
        "say why. Days are those of the account's time zone, instants are UTC. *Key*: what tells a row from "
        "the others. Views make the numbers comparable; tables hold what was read. The tables are written by "
        "Schedulo alone.",
        "## Views",
    ]
    for view in VIEWS:
        parts += [f"### {view.name}", view.comment, _key(view), _columns(view.columns)]
    parts += ["## Tables"]
    for each in sorted(ON_POSTGRESQL.metadata.sorted_tables, key=lambda one: _ORDER.index(one.name)):
        parts += [f"### {each.name}", each.comment or "", _key(each), _columns(each.columns)]
    words = texts_under(Availability)
    rows = [(f"`{one}`", words.get(one.name, "There is a number.")) for one in Availability]
    parts += ["## Availability", table(("word", "what it means"), rows), "## Metrics"]
    parts += [
        "What is asked of each platform. *Past days*: the platform tells it by date, so that a day that was "
        f"missed can be collected later. {_SOURCES}"
    ]
    names = {str(key): word for word, key in schema.PLATFORMS.items()}
    for (platform, subject), metrics in groupby(catalogue(), lambda one: (one["platform"], one["subject"])):
        rows = [_metric(metric) for metric in metrics]
        kept = [place for place, name in enumerate(_METRIC_HEAD) if subject == "post" or name != "formats"]
        head, *rest = ([row[place] for place in kept] for row in [_METRIC_HEAD, *rows])
        parts += [f"### {names[platform]}: {subject}s", table(head, rest)]
    return page("Data dictionary", "include/schedulo/ledger/warehouse.py, view_texts.py", *parts)


_ORDER = (
    "posts",
    "accounts",
    "post_hashtags",
    "dates",
    "metrics",
    "post_metrics_daily",
    "account_metrics_daily",
    "post_readings",
    "watched_posts",
    "refusals",
    "collections",
)


def _key(one: View | sa.Table) -> str:
    names = one.key if isinstance(one, View) else [column.name for column in one.primary_key]
    return f"Key: {', '.join(f'`{name}`' for name in names)}."


def _columns(columns: Iterable[sa.Column[Any]]) -> str:
    return table(_HEAD, [(f"`{one.name}`", _type(one), _comment(one)) for one in columns])


def _type(column: sa.Column[Any]) -> str:
    return str(column.type.compile(postgresql.dialect())).lower().replace(" with time zone", "tz")


def _comment(column: sa.Column[Any]) -> str:
    to = [f"{key.column.table.name}.{key.column.name}" for key in column.foreign_keys]
    return (column.comment or "") + "".join(f" (`{one}`)" for one in to)


def _metric(row: dict[str, Any]) -> tuple[str, ...]:
    core = f"**{row['metric']}**" if row["core"] else f"`{row['metric']}`"
    past = "yes" if row["by_date"] else ""
    native = ", ".join(f"`{name}`" for name in row["native"].split("; "))
    return core, native, row["kind"], row["unit"], row["formats"] or "all", past, row["description"]
