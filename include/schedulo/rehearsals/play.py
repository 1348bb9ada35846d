"""Plays posts without publishing them: planned, checked, prepared, and published to a sandbox or to nothing.

A rehearsal shares nothing that could touch a real delivery. It works on a ledger of its own, a file that is
gone afterwards, so nothing is claimed, marked or counted as published. Its tokens are made for the sandbox;
the real ones are never read. Its wire goes to the sandbox's address and to no other, whatever a setting, a
Connection or an answer says. The code that plans and publishes is the real one.

From the real ledger it only reads: which accounts there are, which files are here, how the posts stand.
Files that it fetches are kept in the real store, under their hashes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import sqlalchemy as sa

from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import PostRow
from schedulo.delivery.claims import claim_due
from schedulo.delivery.hurry import ask_now
from schedulo.delivery.rows import NOT_PLANNED, load, story_of
from schedulo.flow import Slice
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import accounts, attachments, deliveries, posts, renditions
from schedulo.media.store import MediaStore
from schedulo.model import Account, Content, Media, Platform, State
from schedulo.planning.files import refs_of
from schedulo.planning.prepare import GAP_S, Preparer
from schedulo.planning.rehearse import Where, Wished
from schedulo.planning.rows import Planner
from schedulo.platforms.base import Conversation
from schedulo.publishing.ending import End, Ending
from schedulo.publishing.publisher import Publisher
from schedulo.rehearsals.for_real import for_real
from schedulo.settings import Settings
from schedulo.transport.wire import Wire

PATIENCE_S = 240.0
"""How long one post may take, its platform's processing included."""
READ_S = 30.0
"""How long one reading of a row may take."""
LOOK_S = 2.0
"""How often what a platform still works on is looked at."""
RESTS = frozenset(
    {
        State.PUBLISHED,
        State.PUBLISHED_INCOMPLETE,
        State.WAITING_IN_APP,
        State.FAILED,
        State.UNRESOLVED,
        State.MISSED,
        State.CANCELLED,
        State.HELD,
    }
)
_D, _P = deliveries.c, posts.c


@dataclass(frozen=True, slots=True)
class Received:
    """Something that the sandbox of a platform got: a post, a part of a thread, a comment, a draft."""

    kind: str
    text: str
    media: tuple[str, ...] = ()
    """sha256 of each file."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as the sandbox counts it."""

    at_s: float
    words: str
    status: int | None


class Sandbox(Protocol):
    """A sandbox that belongs to one rehearsal."""

    bases: Mapping[str, str]
    """Base URL of each service."""

    def admit(self, account: Account) -> str:
        """Make the account known there; answers the token that it is given."""

    def show(self, media: Media, content: bytes) -> str:
        """Where its platforms can fetch a file."""

    def received(self, account: Account) -> Sequence[Received]:
        """All that came for an account, in order."""

    def asked(self, account: Account) -> Sequence[Asked]:
        """The last requests for an account."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of one post on one account."""

    delivery_id: str
    label: str
    title: str
    platform: Platform
    account: str
    went: bool
    """It would go out, or went to the sandbox."""
    sentence: str
    content: Content | None = None
    warnings: tuple[str, ...] = ()
    for_real: tuple[str, ...] = ()
    """What a real run would meet besides: how the post stands, what holds it."""
    steps: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    received: tuple[Received, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of all."""

    where: Where
    played: tuple[Rehearsed, ...]
    missing: tuple[str, ...] = ()
    """Posts that could not be tried at all, and why."""

    def sentence(self) -> str:
        """In short."""
        went = sum(item.went for item in self.played)
        of = f"{went} of {len(self.played)} {'delivery' if len(self.played) == 1 else 'deliveries'}"
        words = "went out to the sandbox" if self.where is Where.SANDBOX else "would go out"
        return " ".join((f"{of} {words}; nothing was published.", *self.missing))


@dataclass(frozen=True, slots=True)
class Means:
    """What a rehearsal works with."""

    real: Ledger
    """Only read."""
    store: MediaStore
    settings: Settings
    client: Callable[[], AirtableClient]
    hosts: frozenset[str]
    """As `Preparer.allowed_hosts`."""
    conversations: Mapping[Platform, Conversation]
    say: Callable[[str], None]
    gap_s: float = GAP_S


def rehearse(wished: Wished, means: Means, sandbox: Sandbox | None) -> Rehearsal:
    """Try these posts. Blocks: some seconds a post, and as long as its media take.

    :param sandbox: fresh, and this rehearsal's alone; None: nothing is asked, wherever `wished` says
    :raises AirtableError: where the rows cannot be read
    """
    with tempfile.TemporaryDirectory(prefix="schedulo-rehearsal-") as folder:
        stage = _Stage(means, folder, wished)
        try:
            with _publisher(stage, sandbox) as troupe:
                return stage.play(troupe)
        finally:
            stage.ledger.close()


@dataclass(slots=True)
class _Troupe:
    """Who publishes to the sandbox."""

    publisher: Publisher
    sandbox: Sandbox
    tokens: dict[str, str]


@contextmanager
def _publisher(stage: _Stage, sandbox: Sandbox | None) -> Iterator[_Troupe | None]:
    if sandbox is None:
        yield None
        return
    tokens: dict[str, str] = {}
    store, only = stage.means.store, frozenset(_origin(base) for base in sandbox.bases.values())
    wire = Wire(sandbox.bases, tokens.__getitem__, store.open_slice, only=only)

    def media_url(media: Media) -> str | None:
        if not stage.means.settings.media_base_url:
            return None
        return sandbox.show(media, b"".join(store.open_slice(Slice(media.sha256, 0, media.size_bytes))))

    made = Publisher(stage.ledger, wire, stage.settings, stage.means.conversations, media_url)
    with closing(made):
        yield _Troupe(made, sandbox, tokens)


def _origin(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(slots=True)
class _Stage:
    """The ledger of one rehearsal and what is played on it."""

    means: Means
    folder: str
    wished: Wished
    ledger: Ledger = field(init=False)
    settings: Settings = field(init=False)
    preparer: Preparer = field(init=False)
    rows: dict[str, PostRow] = field(default_factory=dict, init=False)
    """As Airtable has them."""

    def __post_init__(self) -> None:
        url = f"sqlite:///{Path(self.folder) / 'ledger.db'}"
        self.settings = replace(
            self.means.settings,
            ledger_url=url,
            home=self.folder,
            media_dir=str(self.means.store.root),
            vault_key="",
            approval_needed=False,
            self_test_account="",
            x_budget_usd=0.0,
            sla_s=0.0,
            sla_platforms="",
        )
        self.ledger = Ledger(url)
        self.ledger.migrate()
        self._take_over([sa.select(accounts)], accounts)
        means = self.means
        planner = Planner(self.ledger, means.store, self.settings, means.conversations)
        self.preparer = Preparer(
            planner, means.client, means.hosts, means.say, gap_s=means.gap_s, as_read=self._as_if_ready
        )

    def play(self, troupe: _Troupe | None) -> Rehearsal:
        played: list[Rehearsed] = []
        missing: list[str] = []
        for number, record_id in enumerate(self.wished.posts):
            self.means.say(f"--- {record_id}")
            self._plan(record_id, f"rehearsal-{number}")
            found = self._planned(record_id)
            if not found:
                missing.append(self._why_none(record_id))
            began = _Before(time.time(), {}) if troupe is None else self._admit(troupe, found)
            going = [row.id for row in found if row.error_kind != NOT_PLANNED and row.ready]
            ends = self._publish(troupe, f"rehearsal-{number}", record_id, going) if troupe else {}
            played += [self._told(row, ends.get(row.id), troupe, began) for row in found]
        where = Where.NOTHING if troupe is None else Where.SANDBOX
        return Rehearsal(where, tuple(played), tuple(missing))

    # --- planning -------------------------------------------------------------------------------------

    def _plan(self, record_id: str, run_id: str) -> None:
        """Plan a post as its row is now, and prepare it where its files are not here or do not fit."""
        client = self.means.client()
        with client.within(READ_S):
            read_ms = self.preparer.planner.moment()
            rows = [self._as_if_ready(row) for row in client.posts_by_id([record_id])]
            self.preparer.planner.plan(client, rows, read_ms)
        lacks = sa.select(_P.record_id).where(_P.record_id == record_id, _P.unprepared)
        with self.ledger.read() as connection:
            if connection.execute(lacks).first() is None:
                return
        (prepared,) = self.preparer.prepare_all([record_id], run_id)
        if prepared.trouble:
            self.means.say(prepared.trouble)

    def _as_if_ready(self, row: PostRow) -> PostRow:
        """A row as if it were ready, approved and due now; what keeps it back is told beside."""
        self.rows[row.record_id] = row
        ids = [ref.id for ref in refs_of(row)]
        known = sa.select(attachments).where(attachments.c.id.in_(ids), attachments.c.sha256 != "")
        self._take_over([known], attachments)
        with self.ledger.read() as connection:
            sources = connection.execute(sa.select(attachments.c.sha256)).scalars().all()
        made = sa.select(renditions).where(renditions.c.source.in_(sources), renditions.c.sha256 != "")
        self._take_over([made], renditions)
        return replace(
            row,
            status_ready=True,
            due_ms=int(time.time() * 1000),
            due_wall="",
            not_after_ms=None,
            approval="",
            in_maintenance="",
        )

    def _take_over(self, queries: Iterable[sa.Select[Any]], table: sa.Table) -> None:
        """Copy rows of the real ledger."""
        with self.means.real.read() as connection:
            rows = [dict(row._mapping) for query in queries for row in connection.execute(query)]
        if rows:
            with self.ledger.begin() as connection:
                connection.execute(upsert(connection, table).on_conflict_do_nothing(), rows)

    def _planned(self, record_id: str) -> list[Any]:
        chosen = [_D.account_key.in_(self.wished.accounts)] if self.wished.accounts else []
        query = sa.select(deliveries).where(_D.post_id == record_id, *chosen).order_by(_D.id)
        with self.ledger.read() as connection:
            return list(connection.execute(query))

    def _why_none(self, record_id: str) -> str:
        if record_id not in self.rows:
            return f"{record_id} is not in Airtable."
        with self.ledger.read() as connection:
            problem = connection.execute(sa.select(_P.problem).where(_P.record_id == record_id)).scalar()
        return f"{record_id}: {problem or 'it names no account, or none of those that were chosen'}."

    # --- publishing -----------------------------------------------------------------------------------

    def _admit(self, troupe: _Troupe, found: Sequence[Any]) -> _Before:
        with self.ledger.read() as connection:
            known = load(connection, [row.id for row in found])
        seen = {}
        for item in known.values():
            if item.account.key not in troupe.tokens:
                troupe.tokens[item.account.key] = troupe.sandbox.admit(item.account)
            seen[item.account.key] = len(troupe.sandbox.received(item.account))
        return _Before(time.time(), seen)

    def _publish(
        self, troupe: _Troupe, run_id: str, record_id: str, going: Sequence[str]
    ) -> dict[str, Ending]:
        """Publish one post's deliveries, each on an account of its own; answers how they ended, by id."""
        deadline = time.monotonic() + PATIENCE_S
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            asked = ask_now(connection, now_ms, run_id, [record_id], self.wished.accounts, self.settings)
        taken = [item.delivery_id for item in asked if item.taken]
        ends = {item.delivery_id: Ending(End.FAILED, item.sentence) for item in asked if not item.taken}
        working = {id_: troupe.publisher.work_on(run_id, index, id_) for index, id_ in enumerate(taken)}
        ends |= {id_: _ended(future, deadline) for id_, future in working.items()}
        again = 0
        while time.monotonic() < deadline and not self._rest(going):
            time.sleep(LOOK_S)
            again += 1
            later = f"{run_id}-{again}"
            with self.ledger.begin() as connection:
                found = claim_due(connection, self.ledger.now_ms(connection), later, self.settings)
            futures = [(item, troupe.publisher.work_on(later, item.map_index, later)) for item in found]
            ends |= {item.delivery_id: _ended(future, deadline) for item, future in futures}
        return ends

    def _rest(self, ids: Sequence[str]) -> bool:
        with self.ledger.read() as connection:
            states = connection.execute(sa.select(_D.state).where(_D.id.in_(ids))).scalars()
            return all(state in RESTS for state in states)

    # --- what came of it ------------------------------------------------------------------------------

    def _told(self, row: Any, ending: Ending | None, troupe: _Troupe | None, before: _Before) -> Rehearsed:
        with self.ledger.read() as connection:
            delivery = load(connection, [row.id])[row.id]
            now = connection.execute(sa.select(deliveries).where(_D.id == row.id)).one()
            story = story_of(connection, 0, row.id)
        account = delivery.account
        went, sentence = _outcome(now, ending, tried=troupe is not None)
        requests: tuple[str, ...] = ()
        received: tuple[Received, ...] = ()
        if troupe is not None:
            asked = troupe.sandbox.asked(account)
            requests = tuple(f"{item.words}: {item.status}" for item in asked if item.at_s >= before.at_s)
            received = tuple(troupe.sandbox.received(account))[before.seen.get(account.key, 0) :]
        return Rehearsed(
            delivery_id=row.id,
            label=row.label,
            title=row.title,
            platform=account.platform,
            account=account.name,
            went=went,
            sentence=sentence,
            content=delivery.content if row.error_kind != NOT_PLANNED else None,
            warnings=tuple(filter(None, now.warnings.split("\n"))),
            for_real=for_real(self.means.real, self.means.settings, self.rows[row.post_id], row),
            steps=tuple(sentence for _, sentence in story),
            requests=requests,
            received=received,
        )


@dataclass(frozen=True, slots=True)
class _Before:
    """How it stood before a post was played."""

    at_s: float
    seen: Mapping[str, int]
    """How much had come for each account, by its key."""


def _ended(future: Future[Ending], deadline: float) -> Ending:
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return Ending(End.SKIPPED, f"it was not out after {PATIENCE_S:.0f} seconds")


def _outcome(row: Any, ending: Ending | None, *, tried: bool) -> tuple[bool, str]:
    """Whether it went, or would go, and what that is called."""
    if row.error_kind == NOT_PLANNED:
        return False, f"it cannot be published: {row.reason}"
    if not row.ready:
        return False, f"it cannot be published yet: {row.reason or 'its media are not here'}"
    match State(row.state):
        case State.PUBLISHED:
            return True, "it went out to the sandbox"
        case State.WAITING_IN_APP:
            return True, "it waits in the sandbox's app, as a draft for its author"
        case State.PUBLISHED_INCOMPLETE:
            return False, f"it went out to the sandbox in part: {row.reason}"
        case State.SCHEDULED if not tried:
            return True, "it would go out as shown; no platform was asked"
        case state:
            said = row.reason or (ending.sentence if ending else "")
            return False, f"it did not go out: {said or state}"
