"""One tick: claim what is due, read Airtable, claim what became due by that, tell Airtable.

What keeps posts back is asked before anything is claimed (`kept_back`). The ledger comes first: while
Airtable is slow or away, everything that is known goes out on time. The Airtable half has a time budget, and
one tick at a time does it.

Between two ticks `follow` does the same for rows of which was heard that somebody changed them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from schedulo.airtable.client import AirtableClient
from schedulo.airtable.schema import ACCOUNTS, DELIVERIES, MAINTENANCE, POSTS
from schedulo.delivery import breakers, lateness, listening, readiness, restored
from schedulo.delivery.claims import Claim, claim_due, claims_of, sweep
from schedulo.delivery.commands import command
from schedulo.delivery.incidents import RULES, Trouble, close_what_is_over, incident
from schedulo.delivery.kept_back import KeptBack, kept_back
from schedulo.delivery.mode import hold_all, sentence
from schedulo.delivery.news import STATE
from schedulo.delivery.planning import gone
from schedulo.delivery.self_tests import of_people
from schedulo.errors.airtable import AirtableError
from schedulo.errors.kinds import Actor, Kind
from schedulo.ledger import changes, marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, outbox, posts
from schedulo.model import State
from schedulo.planning import maintenance_rows
from schedulo.planning.reports import flush
from schedulo.planning.rows import Planner
from schedulo.planning.take_down import why_not
from schedulo.settings import Settings

MONTH_S = 30 * 86400
READING_SHARE = 0.6
CALLS_A_READING = 2
OLD_LEDGER_TIMES = 12
ACCOUNTS_S = 60.0
"""How long the table of accounts may take: a hundred rows are a call. Without it no post can be planned."""
FOLLOW_S = 75.0
"""What is due so soon goes out with the run that was woken by a change; the rest is the next minute's."""


@dataclass(slots=True)
class Tick:
    """One run's sync. `lines` tells what was done, as sentences for the log."""

    planner: Planner
    client: Callable[[], AirtableClient]
    """Made only when Airtable is to be asked; may raise."""
    ask: breakers.Ask | None = None
    """Asks platforms that are held whether they are back; None: they stay held."""
    broken: frozenset[str] = frozenset()
    """Guards that are switched off (`witness`, `airtable`), so that tests can show what each prevents."""
    ledger: Ledger = field(init=False)
    settings: Settings = field(init=False)
    lines: list[str] = field(init=False)
    kept_back: KeptBack = field(init=False, default_factory=KeptBack)
    """What kept posts back when it claimed last."""

    def __post_init__(self) -> None:
        self.ledger, self.settings = self.planner.ledger, self.planner.settings
        self.lines = self.planner.lines

    def run(
        self, run_id: str, logical_ms: int | None = None, last_success_ms: int | None = None
    ) -> list[Claim]:
        """All of it; answers the run's claims. Airtable's troubles never keep posts from going out, unless
        this may be an old ledger.

        :param logical_ms: the run's logical date
        :param last_success_ms: that of the previous run that succeeded, as Airflow remembers it
        """
        if said := sentence(self.settings):
            self.lines.append(said)
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            if "witness" in self.broken:
                last_success_ms = None
            hold_all(connection, now_ms, self.settings)
            restored.watch(connection, now_ms, run_id, logical_ms, last_success_ms)
            restored.doubt(connection, now_ms)
            sweep(connection, now_ms, self.settings)
            readiness.tell_late(connection, now_ms)
            lateness.tell(connection, now_ms, self.settings)
        close_what_is_over(self.ledger)
        claims = self._claim(run_id)
        if self.ask is not None and (asked := breakers.look(self.ledger, self.settings, self.ask)):
            self.lines += asked
            claims = self._claim(run_id)
        if self._lease(run_id):
            try:
                client = self.client()
                well = self._guarded(Trouble.AIRTABLE_READ, lambda: self._read(client, run_id))
                claims = self._claim(run_id)
                if self._guarded(Trouble.AIRTABLE_TOLD, lambda: self._tell(client)) and well:
                    self.lines += listening.keep(self.ledger, client, self.settings)
            except AirtableError as error:
                self._trouble(Trouble.AIRTABLE_READ, error)
            finally:
                with self.ledger.begin() as connection:
                    self.lines += restored.conclude(connection, self.ledger.now_ms(connection))
                self._release(run_id)
        self.lines += self.kept_back.sentences()
        self.lines.append(f"{len(claims)} deliveries are this run's")
        return claims

    def follow(self, run_id: str) -> list[Claim]:
        """Read what is heard to be changed, and nothing else; answers the run's claims: what is due at once.

        What cannot be read now waits on. Airtable is told here only where no post waits for the answer.
        Nothing is done where the ticks have stopped: an old ledger would send what is out, and write over
        what Airtable knows of it.
        """
        with self.ledger.read() as connection:
            if reason := restored.unwatched(connection, self.ledger.now_ms(connection)):
                self.lines.append(f"nothing is read or claimed: {reason}")
                return claims_of(connection, run_id)
        read = self._follow(run_id)
        claims = self._claim(run_id, FOLLOW_S, "follow_changes")
        if read and not claims and self._lease(run_id):
            try:
                self._guarded(Trouble.AIRTABLE_TOLD, lambda: self._tell(self.client()))
            finally:
                self._release(run_id)
        self.lines += self.kept_back.sentences()
        self.lines.append(f"{len(claims)} deliveries are this run's")
        return claims

    def _claim(
        self, run_id: str, horizon_s: float | None = None, dag_id: str = "publish_due_posts"
    ) -> list[Claim]:
        settings = (
            self.settings
            if horizon_s is None
            else replace(self.settings, horizon_s=horizon_s, crowd_horizon_s=0.0)
        )
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            self.kept_back = kept_back(connection, now_ms, self.settings)
            if stale := self.kept_back.stale:
                incident(connection, now_ms, Trouble.AIRTABLE_STALE, stale, actor=Actor.OPERATOR)
                return []
            if self.kept_back.restored:
                return claims_of(connection, run_id)
            restored.doubt(connection, now_ms)
            return claim_due(connection, now_ms, run_id, settings, dag_id)

    def _lease(self, run_id: str, more_s: float = 0.0) -> bool:
        """Take it, or have it for longer."""
        seconds = 2 * self._budget_s() + 30 + more_s
        with self.ledger.begin() as connection:
            return marks.lease(connection, self.ledger.now_ms(connection), "airtable", run_id, seconds)

    def _release(self, run_id: str) -> None:
        with self.ledger.begin() as connection:
            marks.release(connection, self.ledger.now_ms(connection), "airtable", run_id)

    def _guarded(self, trouble: Trouble, work: Callable[[], None]) -> bool:
        """Whether Airtable did it."""
        try:
            work()
        except AirtableError as error:
            self._trouble(trouble, error)
            return False
        return True

    def _trouble(self, trouble: Trouble, error: AirtableError) -> None:
        self.lines.append(f"{RULES[trouble].title}: {error}")
        with self.ledger.begin() as connection:
            if error.kind is Kind.NETWORK and breakers.network_is_away(connection):
                return  # one cause is told once
            now_ms, about = self.ledger.now_ms(connection), type(error).__name__
            incident(connection, now_ms, trouble, str(error), actor=error.info.actor, about=about)

    # --- reading --------------------------------------------------------------------------------------

    def _read(self, client: AirtableClient, run_id: str) -> None:
        if self._reading_is_due():
            self._read_changed(client, run_id)

    def _read_changed(self, client: AirtableClient, run_id: str) -> None:
        """Everything that changed since it was last read."""
        read_ms = self.planner.moment()
        with client.within(self._budget_s()):
            found = client.posts_changed_since(self._mark("airtable:posts"))
        if self.planner.accounts_are_due(found.rows):
            self._lease(run_id, ACCOUNTS_S)
            with client.within(ACCOUNTS_S):
                self.planner.know_accounts(client)
        self.planner.plan_known(found.rows, read_ms)
        self._marked("airtable:posts", found.cursor)  # what was read stays read if the rest fails
        self._lease(run_id)  # thousands of rows take their time
        with client.within(self._budget_s()):
            again = self._read_again(client, {row.record_id for row in found.rows})
            asked = self._obey(client, found.complete)
            self._read_maintenance(client)
        self._marked("airtable:read")
        if found.complete:
            self._taken_off(changes.UNKNOWN, None, read_ms)
        self.lines.append(f"{len(found.rows) + again} posts were read, {asked} requests")

    def _read_again(self, client: AirtableClient, fresh: set[str]) -> int:
        """Look once more at posts in which something may have changed that no list of changes shows."""
        return self._read_posts(client, self._to_read_again() - fresh)

    def _read_posts(self, client: AirtableClient, wanted: set[str]) -> int:
        """Plan these posts as their rows are now; answers how many of them exist."""
        if not wanted:
            return 0
        read_ms = self.planner.moment()
        rows = client.posts_by_id(sorted(wanted))
        self.planner.plan(client, rows, read_ms)
        missing = [id_ for id_ in wanted - {row.record_id for row in rows} if not client.exists(id_)]
        with self.ledger.begin() as connection:
            gone(connection, self.ledger.now_ms(connection), missing, len(wanted))
        self._taken_off(POSTS, missing, read_ms)
        return len(rows)

    def _taken_off(self, table: str, record_ids: Collection[str] | None, read_ms: int) -> None:
        with self.ledger.begin() as connection:
            changes.read(connection, table, record_ids, read_ms)

    def _follow(self, run_id: str) -> bool:
        """Read what is heard to be changed, as far as there is time; False where Airtable did not answer."""
        until_s = time.monotonic() + self.settings.airtable_budget_s
        try:
            client = self.client()
            with client.within(self.settings.airtable_budget_s):
                before: dict[str, set[str]] = {}
                while (rows := self._heard()) and rows != before and time.monotonic() < until_s:
                    before = rows  # what cannot be taken off, or is changed at once again, is another run's
                    self.lines.append(f"changed: {', '.join(sorted(_counted(rows)))}")
                    if not self._read_heard(client, run_id, rows):
                        break
        except AirtableError as error:
            self._trouble(Trouble.AIRTABLE_READ, error)
            return False
        return True

    def _heard(self) -> dict[str, set[str]]:
        """What somebody changed, by our names of the tables."""
        with self.ledger.read() as connection:
            if restored.why_not(connection):
                return {}  # the minute's runs find out first what an old ledger does not know
            rows = changes.heard(connection)
        return {table: {id_ for name, id_ in rows if name == table} for table, _ in rows}

    def _read_heard(self, client: AirtableClient, run_id: str, rows: dict[str, set[str]]) -> bool:
        """False where something must wait: a tick is at it just now."""
        if ACCOUNTS in rows:
            self.planner.plan(client, [], self.planner.moment())
            self._read_again(client, set())
        self._read_posts(client, rows.get(POSTS, set()))
        if not rows.keys() & {DELIVERIES, MAINTENANCE, changes.UNKNOWN}:
            return True
        if not self._lease(run_id):
            return False
        try:
            if changes.UNKNOWN in rows:
                self._read_changed(client, run_id)
            if DELIVERIES in rows:
                self._obey(client, complete=False)
            if MAINTENANCE in rows:
                read_ms = self.planner.moment()
                self.lines += maintenance_rows.read(self.ledger, client, self.settings)
                self._taken_off(MAINTENANCE, None, read_ms)
        finally:
            self._release(run_id)
        return True

    def _obey(self, client: AirtableClient, complete: bool) -> int:
        """Take in what Deliveries know more than the ledger, and do what people asked for there."""
        read_ms = self.planner.moment()
        with self.ledger.read() as connection:
            told_ms = restored.told_until(connection)
        asked, told, cursor = client.deliveries_since(self._mark("airtable:commands"), told_ms)
        grace_ms, quiet_ms = (int(s * 1000) for s in (self.settings.missed_after_s, self.settings.quiet_s))
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            heard = () if "airtable" in self.broken else told
            restored.weigh(connection, now_ms, heard, complete=complete)
            restored.doubt(connection, now_ms)
            rows = sa.select(outbox.c.record_id, outbox.c.key).where(
                outbox.c.kind == STATE, outbox.c.record_id.in_([item.record_id for item in asked])
            )
            ours = {row.record_id: row.key for row in connection.execute(rows)}
            # Whose row it is we know better than a key that people can type over.
            for item in sorted(asked, key=lambda item: item.requested_ms):
                command(
                    connection,
                    now_ms,
                    ours.get(item.record_id, item.key),
                    item.verb,
                    item.requested_ms,
                    grace_ms,
                    quiet_ms=quiet_ms,
                    resolution=item.resolution,
                    link=item.link,
                    why_not=lambda *about: why_not(self.planner.after, *about),
                )
            marks.mark(connection, now_ms, "airtable:commands", cursor)
            changes.read(connection, DELIVERIES, None, read_ms)
        return len(asked)

    def _read_maintenance(self, client: AirtableClient) -> None:
        with self.ledger.read() as connection:
            due = maintenance_rows.is_due(connection, self.ledger.now_ms(connection), self.settings)
        if due:
            self.lines += maintenance_rows.read(self.ledger, client, self.settings)

    def _budget_s(self) -> float:
        """How long reading may take: an old ledger has a lot to ask, and sends nothing before."""
        with self.ledger.read() as connection:
            old = restored.why_not(connection)
        return self.settings.airtable_budget_s * (OLD_LEDGER_TIMES if old else 1)

    def _reading_is_due(self) -> bool:
        interval_s = self.settings.airtable_poll_s
        if self.settings.airtable_monthly_calls:
            readings = self.settings.airtable_monthly_calls * READING_SHARE / CALLS_A_READING
            interval_s = max(interval_s, MONTH_S / readings)
        with self.ledger.begin() as connection:
            if restored.why_not(connection):
                return True
            _, at_ms = marks.read(connection, "airtable:read")
            # A tick comes a little early or late; half of one more is not worth skipping it.
            return self.ledger.now_ms(connection) - at_ms >= interval_s * 1000 - 30_000

    def _mark(self, name: str) -> str | None:
        with self.ledger.begin() as connection:
            return marks.read(connection, name)[0]

    def _marked(self, name: str, value: str = "") -> None:
        with self.ledger.begin() as connection:
            marks.mark(connection, self.ledger.now_ms(connection), name, value)

    def _to_read_again(self) -> set[str]:
        """Posts due soon (deletions and edits of linked rows show in no list of changes), and those whose
        accounts changed."""
        waiting = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.HELD)
        with self.ledger.begin() as connection:
            soon_ms = self.ledger.now_ms(connection) + int(self.settings.horizon_s * 1000)
            due = sa.select(deliveries.c.post_id).where(
                deliveries.c.state.in_(waiting),
                deliveries.c.due_ms <= soon_ms,
                of_people(deliveries.c.post_id),
            )
            unfinished = sa.select(posts.c.record_id).where(posts.c.unfinished, of_people(posts.c.record_id))
            return set(connection.execute(due.union(unfinished)).scalars())

    # --- telling --------------------------------------------------------------------------------------

    def _tell(self, client: AirtableClient) -> None:
        with self.ledger.read() as connection:
            if restored.why_not(connection):
                return  # what Airtable was told before must not be overwritten by what an old ledger believes
        with client.within(self.settings.airtable_budget_s):
            told = flush(self.ledger, client, self.settings)
        self._marked("airtable:told")
        self.lines.append(f"{told} rows were told")


def _counted(rows: Mapping[str, Collection[str]]) -> list[str]:
    return [f"{len(ids)} in {table}" if table else "nobody knows what" for table, ids in rows.items()]
