"""What the engine asks of a base: accounts, posts that changed, commands; and reports written in batches.

Every write can be repeated: it is a PATCH by record id, or an upsert on our own key where no id is known.
What cells mean is `rows`' part, limits and repeats are `calls`'.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from pyairtable import Api
from pyairtable import formulas as f
from pyairtable.utils import chunked

from schedulo.airtable.calls import CALLS_PER_S, Calls
from schedulo.airtable.maintenance import MaintenanceRow, maintenance_row
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.pace import SharedPace
from schedulo.airtable.rows import (
    AccountRow,
    Command,
    MentionRow,
    PostRow,
    Report,
    Told,
    Update,
    Written,
    account_row,
    commands,
    mention_row,
    post_row,
    told_row,
)
from schedulo.airtable.schema import (
    ACCOUNTS,
    BY_NAME,
    COMMANDS,
    DELIVERIES,
    MAINTENANCE,
    MENTIONS,
    POSTS,
    Writer,
    fields_by,
)
from schedulo.clock import iso, now_ms
from schedulo.errors.airtable import OFFSET_DIED, AirtableBusy, AirtableDown, AirtableQuota, AirtableRefused
from schedulo.words import word

PAGE = 100
BATCH = 10
RESTARTS = 3
"""How often a list whose offset died is read again from its beginning."""
RECORD_ID = re.compile(r"rec[A-Za-z0-9]{14}")
LAST_MODIFIED = "Last modified"
UNKNOWN_FIELD = "UNKNOWN_FIELD_NAME"
FIELD_AT_FAULT = (UNKNOWN_FIELD, "INVALID_VALUE_FOR_COLUMN")
"""Refusals of numbers and instants for which it is a field that is wrong, and with it every row."""
NO_SUCH_OPTION = "INVALID_MULTIPLE_CHOICE_OPTIONS"
FUTURE_MS = 600_000
"""What says that it was written so far in the future was typed by a person."""


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far the changes of a table were read; callers keep its text.

    Time is Airtable's: the largest "last modified" read where the mapping names such a field, else the
    `Date` header of the first page. Both less an overlap, since rows may be saved while they are listed.
    """

    since_ms: int | None = None
    """Changes after this are wanted; None: everything."""
    offset: str | None = None
    """The page at which a read that ran out of time goes on."""
    upto_ms: int | None = None
    """What `since_ms` becomes when the last page is read."""

    @classmethod
    def load(cls, text: str | None) -> _Cursor:
        return cls(**json.loads(text)) if text else cls()

    def dump(self) -> str:
        return json.dumps(asdict(self))


class Changes(NamedTuple):
    rows: list[PostRow]
    cursor: str
    """Give it to the next call; text, to be kept as it is."""

    @property
    def complete(self) -> bool:
        """No page is left for the next call."""
        return _Cursor.load(self.cursor).offset is None


class Heard(NamedTuple):
    commands: list[Command]
    told: list[Told]
    """What another ledger wrote."""
    cursor: str


class AirtableClient:
    """One base. Not to be shared between threads.

    :param api: without retries of its own (`Api(token, retry_strategy=None)`)
    :param mapping: the base's own names
    :param budget_s: how long one method may take where no `within` says otherwise, seconds
    :param overlap_s: how far the cursor stays behind what was read, seconds
    :param calls_per_s: requests in one second at the most
    :param pace: shared with all that call the base
    :raises AirtableError: from every method, as `Calls.send` says
    """

    def __init__(
        self,
        api: Api,
        base_id: str,
        mapping: Mapping | None = None,
        *,
        budget_s: float = 60.0,
        overlap_s: float = 120.0,
        calls_per_s: int = CALLS_PER_S,
        pace: SharedPace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_id = base_id
        self.mapping = mapping or Mapping()
        self.calls = Calls(
            api, budget_s=budget_s, calls_per_s=calls_per_s, pace=pace, clock=clock, sleep=sleep
        )
        self._overlap_ms = int(overlap_s * 1000)
        names = {name: self.mapping.table(name) for name in BY_NAME}
        self._urls = {name: api.table(base_id, own).urls for name, own in names.items()}

    def within(self, budget_s: float) -> AbstractContextManager[None]:
        """All calls of the block together get this much time."""
        return self.calls.within(budget_s)

    def table_ids(self) -> dict[str, str]:
        """Airtable's own ids of the base's tables, by our names: what links to records are made of."""
        url = self.calls.api.base(self.base_id).urls.tables
        ids = {table["name"]: str(table["id"]) for table in self.calls.send("GET", url)["tables"]}
        return {name: ids[own] for name in self._urls if (own := self.mapping.table(name)) in ids}

    # ---------------------------------------------------------------- reading

    def accounts(self) -> list[AccountRow]:
        return [account_row(record, self.mapping) for record in self._all(ACCOUNTS)]

    def mentions(self) -> list[MentionRow] | None:
        """The table Mentions; None where the base has none, or the token may not read it."""
        try:
            return [mention_row(record, self.mapping) for record in self._all(MENTIONS)]
        except AirtableRefused as error:
            if error.status in (403, 404):
                return None
            raise

    def maintenance(self) -> list[MaintenanceRow] | None:
        """The table Maintenance, without its empty rows; None where the base has none, or the token may not
        read it."""
        try:
            rows = [maintenance_row(record, self.mapping) for record in self._all(MAINTENANCE)]
        except AirtableRefused as error:
            if error.status in (403, 404):
                return None
            raise
        return [row for row in rows if not row.empty]

    def posts_changed_since(self, cursor: str | None) -> Changes:
        """Posts that people changed since `cursor` (None: all posts), some of them perhaps not for the first
        time. After half of the caller's time, and where Airtable stops answering, it gives what it has and
        a cursor that goes on from there: a first read of thousands of posts takes several calls."""
        at = _Cursor.load(cursor)
        formula = self._changed(POSTS, fields_by(POSTS, Writer.PEOPLE), at.since_ms)
        rows: dict[str, PostRow] = {}
        restarts = 0
        with self.calls.within():
            rest_s = self.calls.left_s() / 2
            while True:
                try:
                    records, offset = self._page(POSTS, formula, at.offset)
                except AirtableRefused as error:
                    restarts += 1
                    if error.code not in OFFSET_DIED or restarts > RESTARTS:
                        raise
                    at = _Cursor(at.since_ms)
                    continue
                except (AirtableBusy, AirtableDown):
                    if not rows:
                        raise
                    return Changes(list(rows.values()), at.dump())
                page = [post_row(record, self.mapping) for record in records]
                rows.update((row.record_id, row) for row in page)
                at = _Cursor(at.since_ms, offset, self._upto_ms(at, page))
                if offset is None:
                    return Changes(list(rows.values()), _Cursor(at.upto_ms).dump())
                if self.calls.left_s() < rest_s:
                    return Changes(list(rows.values()), at.dump())

    def posts_by_id(self, record_ids: Sequence[str]) -> list[PostRow]:
        """The posts among `record_ids` that exist; one call for each 100."""
        found = []
        with self.calls.within():
            for ids in chunked([rid for rid in record_ids if RECORD_ID.fullmatch(rid)], PAGE):
                formula = f.OR([f.EQ(f.RECORD_ID(), rid) for rid in ids])
                found += [post_row(record, self.mapping) for record in self._all(POSTS, formula)]
        return found

    def deliveries_since(self, cursor: str | None, told_ms: int | None) -> Heard:
        """What Deliveries say that we did not write: what people asked for since `cursor` (None: ever), and
        rows that were written after `told_ms` (None: all rows), which another ledger did. One call for both.
        """
        at = _Cursor.load(cursor)
        fields = tuple(COMMANDS.values())
        asked = f.OR([f.NE(self._field(DELIVERIES, name), f.BLANK()) for name in fields])
        changed = self._changed(DELIVERIES, fields, at.since_ms)
        formula = None
        if told_ms is not None:
            theirs = f.IS_AFTER(self._field(DELIVERIES, "Updated at"), iso(told_ms))
            formula = f.OR(asked if changed is None else f.AND(asked, changed), theirs)
        with self.calls.within():
            records, began_ms = self._listed(DELIVERIES, formula)
        told = [row for record in records if (row := told_row(record, self.mapping)) is not None]
        latest_ms = None if began_ms is None else began_ms + FUTURE_MS
        return Heard(
            [command for record in records for command in commands(record, self.mapping)],
            [
                row
                for row in told
                if row.updated_ms > (told_ms or 0) and (latest_ms is None or row.updated_ms <= latest_ms)
            ],
            _Cursor(at.since_ms if began_ms is None else began_ms - self._overlap_ms).dump(),
        )

    def exists(self, record_id: str, table: str = POSTS) -> bool:
        """Whether a record is there. Only Airtable's own "not found" counts as no."""
        try:
            self.calls.send("GET", self._urls[table].record(record_id))
        except AirtableRefused as error:
            if error.status == 404 and error.code:
                return False
            raise
        return True

    def knock(self, table: str) -> None:
        """Read a row of `table`, only to see whether that is allowed."""
        self.calls.send("GET", self._urls[table].records, options={"page_size": 1, "max_records": 1})

    # ---------------------------------------------------------------- writing

    def write_reports(self, reports: Sequence[Report]) -> list[Written]:
        """Write Deliveries rows, ten in a call. A row that Airtable refuses does not hold up the others.

        What is not in the answer was not reached in time and is to be written again.

        :raises AirtableRefused: where the base is at fault, not a row
        """
        known = [report for report in reports if report.record_id is not None]
        new = [report for report in reports if report.record_id is None]
        written: list[Written] = []
        with self.calls.within():
            for batch in (*chunked(known, BATCH), *chunked(new, BATCH)):
                try:
                    written += self._write(batch)
                except (AirtableBusy, AirtableDown, AirtableQuota):
                    if not written:
                        raise
                    break
        return written

    def _write(self, reports: Sequence[Report]) -> list[Written]:
        """Reports that all have a record id, or all have none; halved until the bad ones stand alone."""
        try:
            return self._put(reports)
        except AirtableRefused as error:
            if error.status not in (404, 413, 422) or error.code == UNKNOWN_FIELD:
                raise
            if len(reports) == 1:
                if error.code == NO_SUCH_OPTION and not reports[0].spelled_out:
                    return self._write([replace(reports[0], spelled_out=True)])
                return [self._mend(reports[0], error)]
            half = len(reports) // 2
            return self._write(reports[:half]) + self._write(reports[half:])

    def _put(self, reports: Sequence[Report], *, links: bool = True) -> list[Written]:
        updated_ms = now_ms()
        records: list[dict[str, Any]] = []
        for report in reports:
            cells = report.cells(updated_ms)
            if report.record_id is None:
                cells |= report.identity(links=links)
            record = {"fields": self.mapping.cells(DELIVERIES, cells)}
            records.append(record if report.record_id is None else {"id": report.record_id, **record})
        body: dict[str, Any] = {"records": records}
        if reports[0].record_id is None:
            body["performUpsert"] = {"fieldsToMergeOn": [self.mapping.field(DELIVERIES, "Key")]}
        written: list[dict[str, Any]] = self.calls.send(
            "PATCH",
            self._urls[DELIVERIES].records,
            json=body,
            fits=lambda answer: _has_records(answer) and len(answer["records"]) == len(reports),
        )["records"]
        # Airtable answers in the order of the request.
        return [Written(report.key, record["id"]) for report, record in zip(reports, written, strict=True)]

    def _mend(self, report: Report, error: AirtableRefused) -> Written:
        """One report that was refused alone: its row is gone, or doubled, or points at something gone."""
        if report.record_id is not None:
            if self.exists(report.record_id, DELIVERIES):
                return Written(report.key, report.record_id, str(error))
            if not report.rewrite:
                return Written(report.key, None, "the row was deleted again; it is left so")
            anew = self._write([replace(report, record_id=None)])[0]
            return replace(anew, rewritten=not anew.error)
        key_field = self._field(DELIVERIES, "Key")
        twins = self._all(DELIVERIES, f.EQ(key_field, report.key))
        try:
            if twins:
                oldest = min(twins, key=lambda record: (record["createdTime"], record["id"]))
                return self._put([replace(report, record_id=oldest["id"])])[0]
            return self._put([report], links=False)[0]
        except AirtableRefused as again:
            return Written(report.key, None, str(again))

    def write_cells(self, table: str, rows: Sequence[Update]) -> list[Written]:
        """Write some cells of rows that are there, `BATCH` in a call; `rows` of one call at the most. A row
        that Airtable refuses is told apart from the others by halving.

        :param rows: numbers and instants only: that one is refused is then its field's fault
        :raises AirtableError: where no row could be written; for a base that lacks one of the fields, or has
            another type of it, an `AirtableRefused` with one of `FIELD_AT_FAULT` as its code
        """
        records = [{"id": row.record_id, "fields": self.mapping.cells(table, row.cells)} for row in rows]
        try:
            self.calls.send(
                "PATCH",
                self._urls[table].records,
                json={"records": records},
                fits=lambda answer: _has_records(answer) and len(answer["records"]) == len(rows),
            )
        except AirtableRefused as error:
            if error.status not in (404, 413, 422) or error.code in FIELD_AT_FAULT:
                raise
            if len(rows) == 1:
                return [Written(rows[0].key, rows[0].record_id, str(error))]
            half = len(rows) // 2
            return self.write_cells(table, rows[:half]) + self.write_cells(table, rows[half:])
        return [Written(row.key, row.record_id) for row in rows]

    # ---------------------------------------------------------------- lists

    def _changed(self, table: str, fields: Sequence[str], since_ms: int | None) -> f.Formula | None:
        """Rows where one of `fields` changed. Written so that nothing is asked of a row that was never
        modified: an error in a formula drops the row."""
        if since_ms is None:
            return None
        since = iso(since_ms)
        if table == POSTS and self._has_last_modified:
            return f.IS_AFTER(self._field(POSTS, LAST_MODIFIED), since)
        modified = f.LAST_MODIFIED_TIME(*(self._field(table, name) for name in fields))
        return f.IF(f.IS_AFTER(f.CREATED_TIME(), since), 1, f.IS_AFTER(modified, since))

    @property
    def _has_last_modified(self) -> bool:
        return LAST_MODIFIED in self.mapping.fields.get(POSTS, {})

    def _upto_ms(self, at: _Cursor, page: Sequence[PostRow]) -> int | None:
        if self._has_last_modified:
            seen = [row.modified_ms - self._overlap_ms for row in page if row.modified_ms is not None]
            return max((ms for ms in (*seen, at.upto_ms, at.since_ms) if ms is not None), default=None)
        if at.upto_ms is not None or self.calls.server_ms is None:
            return at.upto_ms
        return self.calls.server_ms - self._overlap_ms

    def _all(self, table: str, formula: f.Formula | None = None) -> list[dict[str, Any]]:
        return self._listed(table, formula)[0]

    def _listed(self, table: str, formula: f.Formula | None) -> tuple[list[dict[str, Any]], int | None]:
        """All records, each once, from one unbroken list; and when it began, by Airtable's clock."""
        restarts = 0
        found: dict[str, dict[str, Any]] = {}
        offset: str | None = None
        began_ms: int | None = None
        with self.calls.within():
            while True:
                try:
                    records, offset = self._page(table, formula, offset)
                except AirtableRefused as error:
                    restarts += 1
                    if error.code not in OFFSET_DIED or restarts > RESTARTS:
                        raise
                    found, offset, began_ms = {}, None, None
                    continue
                found.update((record["id"], record) for record in records)
                began_ms = began_ms or self.calls.server_ms
                if offset is None:
                    return list(found.values()), began_ms

    def _page(
        self, table: str, formula: f.Formula | None, offset: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        options: dict[str, Any] = {"page_size": PAGE}
        if formula is not None:
            options["formula"] = str(formula)
        if offset is not None:
            options["offset"] = offset
        urls = self._urls[table]
        fallback = ("POST", urls.records_post)
        answer = self.calls.send("GET", urls.records, options=options, fallback=fallback, fits=_has_records)
        return answer["records"], word(answer.get("offset")) or None

    def _field(self, table: str, name: str) -> f.Field:
        return f.Field(self.mapping.field(table, name))


def _has_records(answer: dict[str, Any]) -> bool:
    found = answer.get("records")
    return isinstance(found, list) and all(_is_record(item) for item in found)


def _is_record(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and isinstance(item.get("createdTime"), str | None)
        and isinstance(item.get("fields"), dict | None)
    )
