"""Prepares a post before it is due: fetches its media and makes them fit each of its accounts.

A file is fetched once, whatever the number of accounts, and kept by its content. What was done for another
account, another post or an earlier version of this one is not done again. When everything is here the row is
planned once more, and says that it is ready, or what is wrong with it.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.cells import AttachmentRef
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import PostRow
from schedulo.airtable.schema import POSTS
from schedulo.delivery import readiness
from schedulo.delivery.rows import NOT_PLANNED
from schedulo.ledger import changes, marks
from schedulo.ledger.database import upsert
from schedulo.ledger.tables import attachments, deliveries, renditions
from schedulo.media.convert import ConversionError, Limits, convert
from schedulo.media.fetch import FetchError, fetch
from schedulo.media.probe import MediaError
from schedulo.media.store import MissingMedia
from schedulo.model import Media, State
from schedulo.planning.content import Work
from schedulo.planning.files import Files, called_so, known_files, refs_of
from schedulo.planning.rows import Planner
from schedulo.words import shown

FETCHERS = 4
"""So many posts' files are fetched at the same time by one task."""
PLANNED_TOGETHER = 25
PLANNED_S = 5.0
"""What is done is planned when so many posts are, or so much time has passed: each planning is one call."""
AIRTABLE_S = 30.0
"""How long one reading of a row may take."""
GAP_S = 1.0
"""Between two readings by all who prepare: the rest of Airtable's calls is the tick's."""
RENEW_S = readiness.LEASE_S / 4
EXPIRED = (401, 403, 404, 410)
"""What a host says of an address that has expired."""
AGAIN_S = 30.0
"""A file that could not be fetched is fetched again after this time."""
CONVERT_AGAIN_S = 1800.0
"""A conversion that failed for want of time or room costs much: it is not begun again before this time."""


class NotPrepared(Exception):
    """It could not be prepared now. Trying again in `wait_s` seconds may help; None: only much later."""

    def __init__(self, sentence: str, wait_s: float | None) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a post stands after it was prepared."""

    record_id: str
    sentences: tuple[str, ...] = ()
    """One for each of its deliveries."""
    busy: bool = False
    """Another run is at it: nothing was done."""
    trouble: str = ""
    """Why it could not be prepared now; empty where it was."""
    wait_s: float | None = None
    """Trying again after this time may help; None: only much later."""


@dataclass(slots=True)
class Preparer:
    """Prepares posts. Blocks; for worker tasks."""

    planner: Planner
    client: Callable[[], AirtableClient]
    """May raise."""
    allowed_hosts: frozenset[str]
    """Hosts ("host:port") that the operator chose: see `fetch`."""
    say: Callable[[str], None]
    """Takes what is done, as sentences for the log."""
    gap_s: float = GAP_S
    as_read: Callable[[PostRow], PostRow] = lambda row: row
    """What counts of a row that was read; a rehearsal takes one that is not Ready yet as if it were."""

    def prepare(self, record_id: str, run_id: str) -> Prepared:
        """Prepare one post for `run_id`. What is wrong with it is written into its rows.

        :raises NotPrepared: where a file cannot be fetched or converted now
        :raises AirtableError: where its row cannot be read
        """
        (prepared,) = self.prepare_all([record_id], run_id)
        if prepared.trouble:
            raise NotPrepared(prepared.trouble, prepared.wait_s)
        return prepared

    def prepare_all(self, record_ids: Sequence[str], run_id: str) -> list[Prepared]:
        """Prepare some posts; the trouble of one is not the others'. Answers in the order of `record_ids`.

        :raises AirtableError: where rows cannot be read; what was fetched and converted until then is kept
        """
        mine = [id_ for id_ in record_ids if self._hold(id_, run_id)]
        found = {id_: Prepared(id_, ("another run prepares it",), busy=True) for id_ in record_ids}
        try:
            with self._holding(mine, run_id), ThreadPoolExecutor(FETCHERS) as pool:
                rows = self._read(mine)
                gone = ("it is no longer in Airtable",)
                found |= {id_: Prepared(id_, gone) for id_ in mine if id_ not in rows}
                fetching = {pool.submit(self._fetch_missing, row): row for row in rows.values()}
                done: list[Prepared] = []
                planned_at = time.monotonic()
                for future in as_completed(fetching):
                    done.append(self._finish(fetching[future], future))
                    if len(done) == PLANNED_TOGETHER or time.monotonic() > planned_at + PLANNED_S:
                        found |= self._conclude(done, run_id)
                        done, planned_at = [], time.monotonic()
                found |= self._conclude(done, run_id)
        finally:
            self._let_go(mine, run_id)
        return [found[id_] for id_ in record_ids]

    def _finish(self, row: PostRow, fetched: Future[list[str]]) -> Prepared:
        """Make what was fetched of one post fit."""
        try:
            missing = fetched.result()
            misfits = self._convert(row)
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise
        except Exception as error:
            self.say("".join(traceback.format_exception(error)))
            fault = f"{shown(row.title) or row.record_id}: a fault of the program ({type(error).__name__})"
            return Prepared(row.record_id, trouble=fault)
        trouble = "; ".join(missing + misfits)
        return Prepared(row.record_id, trouble=trouble, wait_s=AGAIN_S if missing else None)

    def _conclude(self, done: Sequence[Prepared], run_id: str) -> dict[str, Prepared]:
        """Plan the rows as they are by now: they may have been changed while their files were worked on."""
        ids = [prepared.record_id for prepared in done]
        self._read(ids)
        self._let_go(ids, run_id)
        self._hurry(ids)
        return {item.record_id: replace(item, sentences=self._how_it_stands(item.record_id)) for item in done}

    def _hurry(self, record_ids: Sequence[str]) -> None:
        """Posts whose second was over before they were ready wait for no minute's run."""
        ledger = self.planner.ledger
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            due = sa.select(deliveries.c.post_id).where(
                deliveries.c.post_id.in_(record_ids),
                deliveries.c.state == State.SCHEDULED,
                deliveries.c.ready,
                deliveries.c.fire_ms <= now_ms,
            )
            late = set(connection.execute(due).scalars())
            changes.hear(connection, now_ms, [(POSTS, id_) for id_ in late])

    # --- the lease ------------------------------------------------------------------------------------

    def _hold(self, record_id: str, run_id: str) -> bool:
        ledger = self.planner.ledger
        with ledger.begin() as connection:
            return readiness.hold(connection, ledger.now_ms(connection), record_id, run_id)

    def _let_go(self, record_ids: Sequence[str], run_id: str) -> None:
        ledger = self.planner.ledger
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            for record_id in record_ids:
                readiness.let_go(connection, now_ms, record_id, run_id)

    @contextlib.contextmanager
    def _holding(self, record_ids: Sequence[str], run_id: str) -> Iterator[None]:
        """Renew the leases beside the work, however long a file takes. A post that is done is let go, and
        others may hold it: only what is still held is renewed."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(RENEW_S):
                with contextlib.suppress(sa.exc.OperationalError, sa.exc.InterfaceError):
                    ledger = self.planner.ledger
                    with ledger.begin() as connection:
                        now_ms = ledger.now_ms(connection)
                        for record_id in record_ids:
                            readiness.renew(connection, now_ms, record_id, run_id)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # --- Airtable -------------------------------------------------------------------------------------

    def _read(self, record_ids: Sequence[str]) -> dict[str, PostRow]:
        """The rows as they are now, with addresses that live, and planned with what is known."""
        if not record_ids:
            return {}
        self._turn()
        client = self.client()
        with client.within(AIRTABLE_S):
            read_ms = self.planner.moment()
            rows = [self.as_read(row) for row in client.posts_by_id(record_ids)]
            self.planner.plan(client, rows, read_ms)
        return {row.record_id: row for row in rows}

    def _turn(self) -> None:
        ledger, me = self.planner.ledger, secrets.token_hex(8)
        deadline = time.monotonic() + AIRTABLE_S
        while self.gap_s and time.monotonic() < deadline:
            with ledger.begin() as connection:
                now_ms = ledger.now_ms(connection)
                if marks.lease(connection, now_ms, "airtable:prepare", me, self.gap_s):
                    return
            time.sleep(self.gap_s / 4)

    # --- files ----------------------------------------------------------------------------------------

    def _known(self, row: PostRow) -> Files:
        with self.planner.ledger.read() as connection:
            return known_files(connection, self.planner.store, [row])

    def _fetch_missing(self, row: PostRow) -> list[str]:
        """Fetch what is not here; answers what could not be fetched now."""
        if not row.status_ready:
            return []
        files = self._known(row)
        wanted = {ref.id: ref for ref in refs_of(row) if files.of(ref).missing}
        if not wanted:
            return []
        results = self._fetch_all(list(wanted.values()))
        expired = [
            id_ for id_, found in results.items() if isinstance(found, FetchError) and found.status in EXPIRED
        ]
        if expired:
            again = self._read([row.record_id]).values()
            results |= self._fetch_all([ref for one in again for ref in refs_of(one) if ref.id in expired])
        for id_, found in results.items():
            self._keep(wanted[id_], found)
        return [
            f"{called_so(wanted[id_].filename)}: {found}"
            for id_, found in results.items()
            if isinstance(found, FetchError) and found.temporary
        ]

    def _fetch_all(self, refs: Sequence[AttachmentRef]) -> dict[str, Media | FetchError | MediaError]:
        return {ref.id: self._fetch(ref) for ref in refs}

    def _fetch(self, ref: AttachmentRef) -> Media | FetchError | MediaError:
        began = time.monotonic()
        try:
            found = fetch(
                ref.url, self.planner.store, filename=ref.filename, allowed_hosts=self.allowed_hosts
            )
        except (FetchError, MediaError) as error:
            self.say(f"{called_so(ref.filename)}: {error}")
            return error
        except OSError as error:
            why = error.strerror or type(error).__name__
            full = f"it could not be stored ({why}); the operator makes room in SCHEDULO_MEDIA_DIR"
            self.say(f"{called_so(ref.filename)}: {full}")
            return FetchError(full, temporary=True)
        took_s = time.monotonic() - began
        self.say(f"{called_so(ref.filename)}: {found.size_bytes:,} bytes fetched in {took_s:.1f} s")
        return found

    def _keep(self, ref: AttachmentRef, found: Media | FetchError | MediaError) -> None:
        values = {"sha256": "", "problem": "", "trouble": ""}
        match found:
            case Media():
                values["sha256"] = found.sha256
            case FetchError() if found.temporary:
                values["trouble"] = str(found)
            case FetchError():
                values["problem"] = (
                    f"Media ({called_so(ref.filename)}): {found}. The author attaches it again."
                )
            case MediaError():
                values["problem"] = found.problem.sentence()
        ledger = self.planner.ledger
        with ledger.begin() as connection:
            row = {"id": ref.id, **values, "fetched_ms": ledger.now_ms(connection)}
            connection.execute(
                upsert(connection, attachments).on_conflict_do_update(
                    index_elements=["id"], set_={name: row[name] for name in row if name != "id"}
                ),
                [row],
            )

    def _convert(self, row: PostRow) -> list[str]:
        """Make what is here fit; answers what could not be done now."""
        if not row.status_ready:
            return []
        work = self.planner.work(row)
        self.say(f"to be made to fit: {len(work)}" if work else "every file that is here fits as it is")
        return [trouble for item in work if (trouble := self._make(item))]

    def _make(self, item: Work) -> str:
        ledger, name = self.planner.ledger, called_so(item.media.filename)
        r = renditions.c
        before = sa.select(r.trouble, r.made_ms).where(
            r.source == item.media.sha256, r.recipe == item.recipe.key
        )
        with ledger.read() as connection:
            tried = connection.execute(before).first()
            now_ms = ledger.now_ms(connection)
        if tried and tried.trouble and tried.made_ms > now_ms - int(CONVERT_AGAIN_S * 1000):
            return f"{name}: {tried.trouble}"
        self.say(f"{name}: made {item.recipe.words}")
        values: dict[str, Any] = {"sha256": "", "problem": "", "trouble": ""}
        began = time.monotonic()
        try:
            limits = Limits.of(self.planner.settings)
            made = convert(self.planner.store, item.media, item.recipe, limits, self.say)
        except ConversionError as error:
            self.say(f"{name}: {error}" + (f"\n{error.detail}" if error.detail else ""))
            if error.temporary:
                values["trouble"] = error.problem.rule
            else:
                values["problem"] = str(error)
        except MissingMedia:
            return f"{name}: it vanished from the media store"
        else:
            values["sha256"] = made.sha256
            took_s = time.monotonic() - began
            self.say(f"{name}: made to fit in {took_s:.1f} s, {made.size_bytes:,} bytes")
        values["took_ms"] = int((time.monotonic() - began) * 1000)
        with ledger.begin() as connection:
            values["made_ms"] = ledger.now_ms(connection)
            connection.execute(
                upsert(connection, renditions).on_conflict_do_update(
                    index_elements=["source", "recipe"], set_=values
                ),
                [{"source": item.media.sha256, "recipe": item.recipe.key, **values}],
            )
        return f"{name}: {values['trouble']}" if values["trouble"] else ""

    # --- what came of it ------------------------------------------------------------------------------

    def _how_it_stands(self, record_id: str) -> tuple[str, ...]:
        d = deliveries.c
        query = sa.select(d.label, d.state, d.reason, d.ready, d.error_kind).where(d.post_id == record_id)
        with self.planner.ledger.read() as connection:
            rows = connection.execute(query.order_by(d.id)).all()
        return tuple(f"{row.label}: {_stands(row)}" for row in rows)


def _stands(row: Any) -> str:
    if row.error_kind == NOT_PLANNED:
        return f"not planned: {row.reason}"
    said = f": {row.reason}" if row.reason else ""
    return f"{row.state}, ready{said}" if row.ready else f"{row.state}, not ready{said}"
