"""Removes files of media that nothing will want again, or that can be fetched again if something does.

A file is wanted as long as a delivery that is not over names it, or what it was made of, or what was made
of it; and where a platform lets the text of a post be changed, as long as that post is there. What is not
wanted is given up in two steps, days apart: its rows go, so that whoever needs it fetches it again; then the
file.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from schedulo.delivery.rows import load
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import amendments, attachments, deliveries, renditions, writes
from schedulo.media.leaving import left_over, stored, take_away, used
from schedulo.media.store import MediaStore
from schedulo.model import Platform, State
from schedulo.platforms.after import After
from schedulo.upkeep.ledger_rows import AT_ONCE, DAY_MS, PAUSE_S, Round
from schedulo.upkeep.over import over

REST_DAYS = 7
"""A file that no row names is kept for so long after it was last put."""
SLACK_MS = 600_000
"""A change that was begun so long before it could be seen counts as a change since."""
_Item = TypeVar("_Item")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_D, _A, _R = deliveries.c, attachments.c, renditions.c


@dataclass(frozen=True, slots=True)
class Shelves:
    """What the files are asked about."""

    store: MediaStore
    after: Mapping[Platform, After]


def give_up(a_round: Round, shelves: Shelves, days: int) -> None:
    """The first step: forget where files came from that nothing wants and that were fetched long ago."""
    before_ms = a_round.before_ms(days)
    wanted = _wanted(a_round.ledger, shelves.after, before_ms)
    with a_round.ledger.read() as connection:
        fetched = connection.execute(
            sa.select(_A.id, _A.sha256).where(_A.sha256 != "", _A.fetched_ms < before_ms)
        ).all()
        made = connection.execute(
            sa.select(_R.source, _R.recipe, _R.sha256).where(_R.sha256 != "", _R.made_ms < before_ms)
        ).all()
    old = [row for row in fetched if row.sha256 not in wanted]
    remade = [row for row in made if row.sha256 not in wanted and row.source not in wanted]
    if not a_round.dry:  # before the rows go: the files' rest begins now
        for sha256 in {row.sha256 for row in (*old, *remade)}:
            used(shelves.store, sha256)
    for some in _some(old):
        ids = [row.id for row in some]
        a_round.remove((attachments, sa.and_(_A.id.in_(ids), _A.fetched_ms < before_ms)))
    for batch in _some(remade):
        keys = [(row.source, row.recipe) for row in batch]
        which = sa.tuple_(_R.source, _R.recipe).in_(keys)
        a_round.remove((renditions, sa.and_(which, _R.made_ms < before_ms)))


def clear(a_round: Round, shelves: Shelves, days: int, now_s: Callable[[], float] = time.time) -> None:
    """The second step: remove files that no row names and nothing wants, unused for `REST_DAYS`."""
    ledger, before_ms = a_round.ledger, a_round.before_ms(days)
    before_s = now_s() - REST_DAYS * DAY_MS / 1000
    named = _wanted(ledger, shelves.after, before_ms) | _named(ledger)
    every = list(stored(shelves.store))
    found = [file for file in every if file.used_s < before_s and file.sha256 not in named]
    if a_round.dry:
        a_round.count("files", len(found))
        a_round.count("bytes of files", sum(file.size_bytes for file in found))
    since_ms = a_round.now_ms - SLACK_MS

    def wanted(some: Collection[str]) -> set[str]:
        """Who was planned since was not there when it was asked what is wanted."""
        changed = sa.or_(_D.updated_ms >= since_ms, _D.seen_ms >= since_ms)
        with ledger.read() as connection:
            contents = connection.execute(sa.select(_D.content, _D.newer).where(changed)).all()
        late = _hashes(item for row in contents for item in row) | _named(ledger, some)
        return late | named.intersection(some)

    aside = [file for file in every if file.aside and file not in found]
    for batch in () if a_round.dry else _some(found + aside):
        files, size_bytes = take_away(shelves.store, [file.sha256 for file in batch], before_s, wanted)
        a_round.count("files", files)
        a_round.count("bytes of files", size_bytes)
        time.sleep(PAUSE_S)
    parts = left_over(shelves.store, before_s)
    a_round.count("files that were never stored whole", len(parts))
    for part in () if a_round.dry else parts:
        part.unlink(missing_ok=True)


def _wanted(ledger: Ledger, after: Mapping[Platform, After], before_ms: int) -> set[str]:
    """The files that may be needed, with what they were made of and what was made of them."""
    found: set[str] = set()
    last = ""
    while True:
        page = sa.select(_D.id, over(before_ms).label("over"), _D.content, _D.newer)
        with ledger.read() as connection:
            rows = connection.execute(page.where(_D.id > last).order_by(_D.id).limit(AT_ONCE)).all()
            if not rows:
                break
            alive = [row.id for row in rows if not row.over]
            found |= _hashes(item for row in rows if not row.over for item in (row.content, row.newer))
            for table in (writes, amendments):
                frozen = table.c.snapshot if table is writes else table.c.content
                query = sa.select(frozen).where(table.c.delivery_id.in_(alive))
                found |= _hashes(connection.execute(query).scalars())
            ended = load(connection, [row.id for row in rows if row.over and row.content])
        for one in ended.values():
            there = one.state is not State.TAKEN_DOWN
            if there and not after[one.account.platform].cannot_edit(one.account, one.content):
                found |= _hashes([one.content.to_json()])
        last = rows[-1].id
    with ledger.read() as connection:
        made = connection.execute(sa.select(_R.source, _R.sha256)).all()
    found |= {row.source for row in made if row.sha256 in found}
    return found | {row.sha256 for row in made if row.source in found}


def _named(ledger: Ledger, some: Collection[str] | None = None) -> set[str]:
    """The files that rows name (`some`: of these), and those from which others were made."""
    found: set[str] = set()
    with ledger.read() as connection:
        for column in (_A.sha256, _R.sha256, _R.source):
            query = sa.select(column) if some is None else sa.select(column).where(column.in_(list(some)))
            found |= set(connection.execute(query).scalars())
    return found


def _hashes(contents: Iterable[object]) -> set[str]:
    """Whatever looks like the hash of a file, wherever in a content it stands."""
    return {sha256 for content in contents if content for sha256 in _SHA256.findall(json.dumps(content))}


def _some(items: Sequence[_Item]) -> Iterable[Sequence[_Item]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
