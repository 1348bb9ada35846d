"""Brings what the numbers are about up to date: accounts, posts, hashtags, the calendar, the metrics.

All of it comes from the ledger and the platforms' catalogues: a lost warehouse is filled again by one call.
Only what changed is read. A post that was changed or taken down after it went out is told as it is now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from schedulo.clock import EPOCH
from schedulo.delivery.self_tests import of_people
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import IS_OUT, accounts, deliveries
from schedulo.ledger.warehouse import Warehouse, warehouse_of
from schedulo.measures import Metric
from schedulo.model import Content, MediaKind
from schedulo.planning.hashtags import standing
from schedulo.platforms import MEASURES

MARK = "analytics:dimensions"
LATE_MS = 600_000
"""A transaction that ran so long shows a row with an earlier instant than rows that were read before."""
AT_ONCE = 500
"""Posts of one transaction, where there are many: others wait for it on SQLite."""
CALENDAR_YEARS = 2
"""The calendar reaches so far back at least: a platform may be asked for days before the first post."""

_D, _A = deliveries.c, accounts.c


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read of the ledger so far; kept as a mark.

    Rows of posts that are out only get younger, so their number and the sum of their instants tell whether
    any changed since."""

    until_ms: int = 0
    count: int = 0
    sum_ms: int = 0
    catalogue: str = ""
    moving: Mapping[str, str] = field(default_factory=dict)
    """Accounts whose clock became another, each with its last post that was brought to it."""

    @classmethod
    def read(cls, connection: sa.Connection) -> _Seen:
        value, _ = marks.read(connection, MARK)
        return cls(*json.loads(value)) if value else cls()

    def keep(self, connection: sa.Connection, now_ms: int) -> None:
        value = [self.until_ms, self.count, self.sum_ms, self.catalogue, dict(self.moving)]
        marks.mark(connection, now_ms, MARK, json.dumps(value))


def refresh(connection: sa.Connection, now_ms: int, most: int | None = None) -> bool:
    """Bring accounts, posts, hashtags, dates and metrics up to date from the ledger.

    :param most: read so many posts at the most
    :returns: whether all was read; False: call again
    """
    house = warehouse_of(connection)
    seen = _Seen.read(connection)
    catalogue = _metrics(connection, house, seen.catalogue)
    moving = {**seen.moving, **dict.fromkeys(_accounts(connection, house), "")}
    found = _fingerprint(connection, seen.until_ms)
    if not moving and (seen.count, seen.sum_ms, seen.catalogue) == (*found, catalogue):
        _calendar(connection, house, now_ms)
        return True
    changed = _changed(connection, house, seen.until_ms, most)
    taken = changed[:most]
    moved, moving = _moved(connection, house, moving, None if most is None else most - len(taken))
    ids = [*(row.id for row in taken), *moved]
    posts = [_post(row) for row in _rows(connection, ids)]
    _calendar(connection, house, now_ms, [post.published_on for post in posts if post.published_on])
    _keep(connection, house, posts)
    whole = len(taken) == len(changed) and not moving
    until_ms = max([seen.until_ms, *(row.updated_ms for row in taken)])
    # Half of it read: no sum, so that the next call goes on.
    count, sum_ms = _fingerprint(connection, until_ms) if whole else (-1, -1)
    _Seen(until_ms, count, sum_ms, catalogue, moving).keep(connection, now_ms)
    return whole


def forget(connection: sa.Connection, now_ms: int) -> None:
    """All is read again by the next `refresh`: somebody emptied the warehouse."""
    _Seen().keep(connection, now_ms)


def catch_up(ledger: Ledger, now_ms: int) -> None:
    """`refresh` in short transactions, so that publishing waits for none of them."""
    whole = False
    while not whole:
        with ledger.begin() as connection:
            whole = refresh(connection, now_ms, AT_ONCE)


# --- what changed -----------------------------------------------------------------------------------------


def _lately(until_ms: int) -> tuple[sa.TextClause | sa.ColumnElement[bool], ...]:
    return sa.text(IS_OUT), _D.updated_ms >= until_ms - LATE_MS, of_people(_D.post_id)


def _fingerprint(connection: sa.Connection, until_ms: int) -> tuple[int, int]:
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_D.updated_ms), 0))
    count, sum_ms = connection.execute(query.where(*_lately(until_ms))).one()
    return count, int(sum_ms)


def _changed(connection: sa.Connection, house: Warehouse, until_ms: int, most: int | None) -> list[Any]:
    """Posts that are new or changed, longest ago first; no more are looked for than one beyond `most`."""
    p = house.posts.c
    query = sa.select(_D.id, _D.updated_ms).where(*_lately(until_ms)).order_by(_D.updated_ms, _D.id)
    found: list[Any] = []
    after: sa.ColumnElement[bool] = sa.true()
    while most is None or len(found) <= most:
        rows = connection.execute(query.where(after).limit(AT_ONCE)).all()
        if not rows:
            break
        same = sa.select(p.post_key, p.updated_at).where(p.post_key.in_([row.id for row in rows]))
        known = {row.post_key: row.updated_at for row in connection.execute(same)}
        found += [row for row in rows if known.get(row.id) != _instant(row.updated_ms)]
        after = sa.tuple_(_D.updated_ms, _D.id) > (rows[-1].updated_ms, rows[-1].id)
    return found


def _moved(
    connection: sa.Connection, house: Warehouse, moving: Mapping[str, str], room: int | None
) -> tuple[list[str], dict[str, str]]:
    """Posts of accounts whose clock became another, as many as there is room for, and what is left."""
    p = house.posts.c
    ids: list[str] = []
    left = dict(moving)
    for account_key, after in moving.items():
        limit = None if room is None else room - len(ids)
        query = sa.select(p.post_key).where(p.account_key == account_key, p.post_key > after)
        found = connection.execute(query.order_by(p.post_key).limit(limit)).scalars().all()
        ids += found
        if limit is not None and len(found) == limit:
            left[account_key] = found[-1] if found else after
            break
        del left[account_key]
    return ids, left


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _rows(connection: sa.Connection, ids: Sequence[str]) -> Iterator[Any]:
    query = sa.select(deliveries, _A.timezone).join(accounts, _A.key == _D.account_key)
    for chunk in _chunks(list(dict.fromkeys(ids))):
        yield from connection.execute(query.where(_D.id.in_(chunk)))


# --- posts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Post:
    row: Mapping[str, Any]
    hashtags: frozenset[str]
    published_on: date | None


def _post(row: Any) -> _Post:
    content = Content.from_json(row.content)
    texts = (content.text, *content.thread)
    text = "\n\n".join(texts)
    tags = frozenset(tag.lower() for part in (*texts, content.first_comment) for tag in standing(part))
    at_ms = row.accepted_ms if row.accepted_ms is not None else row.published_ms
    local = None if at_ms is None else _instant(at_ms).astimezone(ZoneInfo(row.timezone))
    videos_ms = sum(item.duration_ms for item in content.media if item.kind is MediaKind.VIDEO)
    values = {
        "post_key": row.id,
        "account_key": row.account_key,
        "post_record_id": row.post_id,
        "remote_id": row.remote_id or "",
        "permalink": row.permalink or "",
        "title": row.title,
        "text": text,
        "text_length": len(text),
        "format": content.format.value,
        "media_kind": _media_kind(content),
        "media_count": len(content.media),
        "video_s": videos_ms / 1000 if videos_ms else None,
        "hashtag_count": len(tags),
        "due_at": _instant(row.due_ms),
        "published_at": None if at_ms is None else _instant(at_ms),
        "lateness_s": None if at_ms is None else (at_ms - row.due_ms) / 1000,
        "published_on": local and local.date(),
        "published_weekday": local and local.isoweekday(),
        "published_hour": None if local is None else local.hour,
        "state": row.state,
        "gone_at": None if row.removed_ms is None else _instant(row.removed_ms),
        "updated_at": _instant(row.updated_ms),
    }
    return _Post(values, tags, values["published_on"])


def _media_kind(content: Content) -> str:
    kinds = {item.kind.value for item in content.media}
    return "mixed" if len(kinds) > 1 else kinds.pop() if kinds else "none"


def _instant(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def _keep(connection: sa.Connection, house: Warehouse, posts: Sequence[_Post]) -> None:
    _put(connection, house.posts, [post.row for post in posts])
    t = house.post_hashtags
    for ids in _chunks([post.row["post_key"] for post in posts]):
        connection.execute(sa.delete(t).where(t.c.post_key.in_(ids)))
    tags = [
        {"post_key": post.row["post_key"], "hashtag": tag} for post in posts for tag in sorted(post.hashtags)
    ]
    _put(connection, t, tags)


def _put(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert, or replace what has the same key."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = upsert(connection, table)
    rest = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if rest:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=rest)
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement, [dict(row) for row in rows])


# --- accounts, calendar, metrics --------------------------------------------------------------------------


def _accounts(connection: sa.Connection, house: Warehouse) -> list[str]:
    """Brings them up to date; answers those whose clock became another: their posts' days change with it."""
    w = house.accounts.c
    same = {"platform": _A.platform, "account_id": _A.account_id, "name": _A.name, "timezone": _A.timezone}
    differs = [w[name] != column for name, column in same.items()] + [w.active != _A.active]
    query = (
        sa.select(_A.key.label("account_key"), *same.values(), _A.active, w.timezone.label("before"))
        .select_from(accounts.outerjoin(house.accounts, w.account_key == _A.key))
        .where(sa.or_(w.account_key.is_(None), *differs))
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    moved = [row["account_key"] for row in rows if row.pop("before") not in (None, row["timezone"])]
    _put(connection, house.accounts, rows)
    return moved


def _calendar(connection: sa.Connection, house: Warehouse, now_ms: int, days: Sequence[date] = ()) -> None:
    """Whole years, from the first post's on, and two before this one at least, to the end of the next."""
    d = house.dates.c.date
    known = connection.execute(sa.select(sa.func.min(d), sa.func.max(d))).one()
    year = _instant(now_ms).year
    first = min([date(year - CALENDAR_YEARS, 1, 1), *(day.replace(month=1, day=1) for day in days)])
    last = max([date(year + 1, 12, 31), *(day.replace(month=12, day=31) for day in days)])
    if known[0] is None:
        wanted = [(first, last)]
    else:
        step = timedelta(days=1)
        wanted = [(first, known[0] - step), (known[1] + step, last)]
    rows = [
        _day(date.fromordinal(ordinal))
        for start, end in wanted
        for ordinal in range(start.toordinal(), end.toordinal() + 1)
    ]
    _put(connection, house.dates, rows)


def _day(day: date) -> dict[str, Any]:
    iso = day.isocalendar()
    return {
        "date": day,
        "day_number": (day - EPOCH.date()).days,
        "year": day.year,
        "quarter": (day.month + 2) // 3,
        "month": day.month,
        "iso_year": iso.year,
        "iso_week": iso.week,
        "weekday": iso.weekday,
        "weekday_name": _WEEKDAYS[iso.weekday - 1],
        "weekend": iso.weekday > 5,
    }


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def catalogue() -> list[dict[str, Any]]:
    """The rows of `metrics`: all that the platforms can tell. What one of them calls differently by format
    is one metric still."""
    found = [metric for measure in MEASURES.values() for metric in measure.metrics]
    found.sort(key=_identity)
    return [_metric(list(group)) for _, group in groupby(found, key=_identity)]


def _identity(metric: Metric) -> tuple[str, str, str]:
    return metric.platform.value, metric.subject.value, metric.name


def _metric(group: Sequence[Metric]) -> dict[str, Any]:
    one = group[0]
    everywhere = any(not metric.formats for metric in group)
    formats = () if everywhere else {format_.value for metric in group for format_ in metric.formats}
    return {
        "platform": one.platform.value,
        "subject": one.subject.value,
        "metric": one.name,
        "core": one.core,
        "native": _listed(metric.native for metric in group),
        "kind": one.kind.value,
        "unit": one.unit.value,
        "formats": ", ".join(sorted(formats)),
        "by_date": all(metric.by_date for metric in group),
        "description": _listed(metric.description for metric in group),
        "source": _listed(metric.source for metric in group),
    }


def _listed(words: Iterator[str]) -> str:
    return "; ".join(dict.fromkeys(words))


@cache
def _catalogue_hash() -> str:
    return hashlib.sha256(json.dumps(catalogue()).encode()).hexdigest()[:16]


def _metrics(connection: sa.Connection, house: Warehouse, known: str) -> str:
    """What no catalogue has any more keeps its row, as its numbers are kept."""
    found = _catalogue_hash()
    if found != known:
        _put(connection, house.metrics, catalogue())
    return found
