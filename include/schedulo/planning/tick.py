"""One tick: claim what is due, read Airtable, claim what became due by that, tell Airtable.

The ledger comes first: while Airtable is slow or away, everything that is known goes out on time. The
Airtable half has a time budget, and one tick at a time does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import AccountRow, PostRow
from schedulo.clock import ClockError
from schedulo.delivery import restored
from schedulo.delivery.claims import Claim, claim_due, claims_of, sweep
from schedulo.delivery.incidents import RULES, Trouble, close_what_is_over, incident
from schedulo.delivery.planning import Plan, PostPlan, command, gone, plan_anew, plan_post, register
from schedulo.errors.airtable import AirtableError
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import accounts, attachments, deliveries, outbox, posts
from schedulo.media.fetch import FetchError, fetch
from schedulo.media.probe import MediaError
from schedulo.media.store import MediaStore
from schedulo.model import Account, Media, Platform, State
from schedulo.planning import approvals
from schedulo.planning.content import content_hash, fingerprint, fit
from schedulo.planning.reports import flush
from schedulo.planning.take_down import why_not
from schedulo.platforms import AFTER
from schedulo.platforms.after import After
from schedulo.platforms.base import Conversation
from schedulo.settings import Settings
from schedulo.words import shown

ACCOUNTS_EVERY_S = 600.0
FETCHERS = 4
MONTH_S = 30 * 86400
READING_SHARE = 0.6
CALLS_A_READING = 2
OLD_LEDGER_TIMES = 12


@dataclass(slots=True)
class Tick:
    """One run's sync. `lines` tells what was done, as sentences for the log."""

    ledger: Ledger
    store: MediaStore
    settings: Settings
    conversations: Mapping[Platform, Conversation]
    client: Callable[[], AirtableClient]
    """Made only when Airtable is to be asked; may raise."""
    after: Mapping[Platform, After] = field(default_factory=lambda: AFTER)
    allowed_hosts: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    """Guards that are switched off (`witness`, `airtable`), so that tests can show what each prevents."""
    lines: list[str] = field(default_factory=list)
    _account_rows: Sequence[AccountRow] = field(default=(), init=False)
    """The Accounts table where this tick has read it: it says why an account cannot be used."""
    _aliases: dict[str, str] = field(default_factory=dict, init=False)
    """The account's key for each of its rows: people have made two rows of one account."""

    def run(
        self, run_id: str, logical_ms: int | None = None, last_success_ms: int | None = None
    ) -> list[Claim]:
        """All of it; answers the run's claims. Airtable's troubles never keep posts from going out, unless
        this may be an old ledger.

        :param logical_ms: the run's logical date
        :param last_success_ms: that of the previous run that succeeded, as Airflow remembers it
        """
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            if "witness" in self.broken:
                last_success_ms = None
            restored.watch(connection, now_ms, run_id, logical_ms, last_success_ms)
            restored.doubt(connection, now_ms)
            sweep(connection, now_ms, self.settings)
        close_what_is_over(self.ledger)
        claims = self._claim(run_id)
        if self._lease(run_id):
            try:
                client = self.client()
                self._guarded(Trouble.AIRTABLE_READ, lambda: self._read(client))
                claims = self._claim(run_id)
                self._guarded(Trouble.AIRTABLE_TOLD, lambda: self._tell(client))
            except AirtableError as error:
                self._trouble(Trouble.AIRTABLE_READ, error)
            finally:
                with self.ledger.begin() as connection:
                    self.lines += restored.conclude(connection, self.ledger.now_ms(connection))
                    marks.release(connection, self.ledger.now_ms(connection), "airtable", run_id)
        self.lines.append(f"{len(claims)} deliveries are this run's")
        return claims

    def _claim(self, run_id: str) -> list[Claim]:
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            _, read_ms = marks.read(connection, "airtable:read")
            if read_ms and now_ms - read_ms > self.settings.known_copy_max_s * 1000:
                sentence = "Airtable was not read for too long: what is known may be old, nothing goes out"
                incident(connection, now_ms, Trouble.AIRTABLE_STALE, sentence, actor=Actor.OPERATOR)
                self.lines.append(sentence)
                return []
            if reason := restored.why_not(connection):
                self.lines.append(reason)
                return claims_of(connection, run_id)
            restored.doubt(connection, now_ms)
            return claim_due(connection, now_ms, run_id, self.settings)

    def _lease(self, run_id: str) -> bool:
        seconds = 2 * self._budget_s() + 30
        with self.ledger.begin() as connection:
            return marks.lease(connection, self.ledger.now_ms(connection), "airtable", run_id, seconds)

    def _guarded(self, trouble: Trouble, work: Callable[[], None]) -> None:
        try:
            work()
        except AirtableError as error:
            self._trouble(trouble, error)

    def _trouble(self, trouble: Trouble, error: AirtableError) -> None:
        self.lines.append(f"{RULES[trouble].title}: {error}")
        with self.ledger.begin() as connection:
            now_ms, about = self.ledger.now_ms(connection), type(error).__name__
            incident(connection, now_ms, trouble, str(error), actor=error.info.actor, about=about)

    # --- reading --------------------------------------------------------------------------------------

    def _read(self, client: AirtableClient) -> None:
        if not self._reading_is_due():
            return
        with client.within(self._budget_s()):
            changes = client.posts_changed_since(self._mark("airtable:posts"))
            self.plan_rows(client, changes.rows)
            self._marked("airtable:posts", changes.cursor)  # what was read stays read if the rest fails
            again = self._read_again(client, {row.record_id for row in changes.rows})
            asked = self._obey(client, changes.complete)
        self._marked("airtable:read")
        self.lines.append(f"{len(changes.rows) + again} posts were read, {asked} requests")

    def _read_again(self, client: AirtableClient, fresh: set[str]) -> int:
        """Look once more at posts in which something may have changed that no list of changes shows."""
        wanted = self._to_read_again() - fresh
        if not wanted:
            return 0
        rows = client.posts_by_id(sorted(wanted))
        self.plan_rows(client, rows)
        missing = [id_ for id_ in wanted - {row.record_id for row in rows} if not client.exists(id_)]
        with self.ledger.begin() as connection:
            gone(connection, self.ledger.now_ms(connection), missing, len(wanted))
        return len(rows)

    def _obey(self, client: AirtableClient, complete: bool) -> int:
        """Take in what Deliveries know more than the ledger, and do what people asked for there."""
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
                outbox.c.record_id.in_([item.record_id for item in asked])
            )
            ours = {row.record_id: row.key for row in connection.execute(rows)}
            for item in asked:  # whose row it is we know better than a key that people can type over
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
                    why_not=lambda *about: why_not(self.after, *about),
                )
            marks.mark(connection, now_ms, "airtable:commands", cursor)
        return len(asked)

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
        media are not all here."""
        waiting = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.HELD)
        with self.ledger.begin() as connection:
            soon_ms = self.ledger.now_ms(connection) + int(self.settings.horizon_s * 1000)
            due = sa.select(deliveries.c.post_id).where(
                deliveries.c.state.in_(waiting), deliveries.c.due_ms <= soon_ms
            )
            unfinished = sa.select(posts.c.record_id).where(posts.c.unfinished)
            return set(connection.execute(due.union(unfinished)).scalars())

    def _know_accounts(self, client: AirtableClient, rows: Iterable[PostRow]) -> None:
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            _, at_ms = marks.read(connection, "airtable:accounts")
            known = set(connection.execute(sa.select(accounts.c.record_id)).scalars())
        named = {id_ for row in rows for id_ in row.account_record_ids}
        if named <= known and now_ms - at_ms < ACCOUNTS_EVERY_S * 1000:
            return
        found = client.accounts()
        usable: dict[str, tuple[Account, str, bool]] = {}
        for row in sorted(found, key=lambda row: (not row.active, row.record_id)):
            account = row.account(self.settings.airtable_timezone)
            if account is None:
                continue
            self._aliases[row.record_id] = account.key
            usable.setdefault(account.key, (account, row.record_id, row.active))  # of two rows the active one
        with self.ledger.begin() as connection:
            changed = register(connection, now_ms, list(usable.values()))
            plan_anew(connection, changed)
            marks.mark(connection, now_ms, "airtable:accounts")
        self._account_rows = found

    def plan_rows(self, client: AirtableClient, rows: Sequence[PostRow]) -> None:
        """Bring the ledger in line with these rows, and with the accounts they name."""
        self._know_accounts(client, rows)
        self._plan(rows)

    # --- planning -------------------------------------------------------------------------------------

    def _plan(self, rows: Sequence[PostRow]) -> None:
        media = self._media(rows)
        try:
            self._plan_together(rows, media)
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise
        except Exception:
            # One row must not spoil the others: each gets a transaction of its own.
            for row in rows:
                self._plan_alone(row, media)

    def _plan_together(self, rows: Sequence[PostRow], media: Mapping[str, Media | str | None]) -> None:
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            known = self._accounts(connection)
            guard_ms = int(self.settings.content_guard_s * 1000)
            for row in rows:
                plan_post(connection, now_ms, self._post_plan(row, media, known), guard_ms)

    def _plan_alone(self, row: PostRow, media: Mapping[str, Media | str | None]) -> None:
        try:
            self._plan_together([row], media)
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise
        except Exception as error:
            what = type(error).__name__
            problem = f"Schedulo cannot plan this post ({what}): a fault of the program. Tell the operator."
            self.lines.append(f"{row.record_id}: {problem}")
            with self.ledger.begin() as connection:
                now_ms = self.ledger.now_ms(connection)
                spoilt = PostPlan(row.record_id, shown(row.title), (), problem, False, row.status_ready)
                plan_post(connection, now_ms, spoilt, 0)
                incident(
                    connection, now_ms, Trouble.SETUP, problem, actor=Actor.OPERATOR, about=f"planning:{what}"
                )

    def _accounts(self, connection: sa.Connection) -> dict[str, tuple[Account, bool]]:
        found = {
            row.key: (
                row.record_id,
                Account(Platform(row.platform), row.account_id, row.name, row.timezone, row.options),
                row.active,
            )
            for row in connection.execute(sa.select(accounts))
        }
        known = {record_id: (account, active) for record_id, account, active in found.values()}
        return known | {record_id: found[key][1:] for record_id, key in self._aliases.items() if key in found}

    def _post_plan(
        self,
        row: PostRow,
        media: Mapping[str, Media | str | None],
        known: Mapping[str, tuple[Account, bool]],
    ) -> PostPlan:
        files = [media[item.id] for item in row.attachments]
        unfinished = row.status_ready and any(item is None for item in files)
        broken = [item for item in files if isinstance(item, str)]
        whole = [item for item in files if isinstance(item, Media)]
        problems = [problem.sentence() for problem in row.problems] + broken
        if unfinished and not problems:
            problems = ["the media are still being fetched"]
        chosen = {known[id_][0].key: known[id_] for id_ in row.account_record_ids if id_ in known}
        plans = tuple(self._one(row, whole, *one, problems) for one in chosen.values())
        strangers = [id_ for id_ in row.account_record_ids if id_ not in known]
        if strangers and row.status_ready:
            problems = [*problems, *self._strangers(strangers)]
        alone = "\n".join(problems) if row.status_ready and (not plans or strangers) else ""
        return PostPlan(row.record_id, row.title, plans, alone, unfinished, row.status_ready)

    def _strangers(self, ids: Sequence[str]) -> list[str]:
        told = {
            account.record_id: "; ".join(problem.sentence() for problem in account.problems)
            for account in self._account_rows
        }
        return [
            f"Accounts: {told.get(id_) or 'one of them is not in the Accounts table or says too little'}"
            for id_ in ids
        ]

    def _one(
        self, row: PostRow, media: Sequence[Media], account: Account, active: bool, problems: Sequence[str]
    ) -> Plan:
        found = list(problems)
        if not active:
            found.append(
                f"Account {account.name}: it is not active. Who looks after the accounts ticks Active."
            )
        due_ms, note = 0, ""
        try:
            due = row.due(account.timezone)
        except ClockError as error:
            found.append(error.problem.sentence())
        else:
            if due is not None:
                due_ms, note = due.ms, due.note
        fitted = fit(
            row,
            media,
            account,
            self.conversations[account.platform],
            public_media=bool(self.settings.media_base_url),
        )
        if not problems:  # without its media a post would have problems that it does not have
            found += [problem.sentence() for problem in fitted.problems if not problem.warning]
        rejected = approvals.rejected(row)
        found += [rejected.sentence()] if rejected and not problems else []
        missed_ms = due_ms + int(self.settings.missed_after_s * 1000)
        return Plan(
            account=account,
            content=fitted.content,
            content_hash=content_hash(fitted.content) if fitted.content else "",
            fingerprint=fingerprint(fitted.content) if fitted.content else "",
            due_ms=due_ms,
            not_after_ms=min(missed_ms, row.not_after_ms) if row.not_after_ms else missed_ms,
            problem="\n".join(found),
            note=note,
            approval=approvals.needed(row, self.settings),
            uneditable=self.after[account.platform].cannot_edit(account, fitted.content)
            if fitted.content
            else "",
        )

    # --- media ----------------------------------------------------------------------------------------

    def _media(self, rows: Sequence[PostRow]) -> dict[str, Media | str | None]:
        """Each attachment: the stored medium, a sentence why it cannot be used, or None for not yet."""
        wanted = {item.id: item for row in rows if row.status_ready for item in row.attachments}
        every: dict[str, Any] = {item.id: None for row in rows for item in row.attachments}
        with self.ledger.begin() as connection:
            query = sa.select(attachments).where(attachments.c.id.in_(list(wanted)))
            kept = {row.id: row.sha256 for row in connection.execute(query)}
        for id_, item in wanted.items():
            if id_ in kept:
                every[id_] = self.store.find(kept[id_], item.filename)
        missing = [item for id_, item in wanted.items() if every[id_] is None]
        if missing:
            with ThreadPoolExecutor(FETCHERS) as pool:
                fetched = list(pool.map(self._fetch, missing))
            with self.ledger.begin() as connection:
                now_ms = self.ledger.now_ms(connection)
                for item, result in zip(missing, fetched, strict=True):
                    every[item.id] = result
                    if isinstance(result, Media):
                        values = {"sha256": result.sha256, "fetched_ms": now_ms}
                        connection.execute(
                            upsert(connection, attachments)
                            .values(id=item.id, **values)
                            .on_conflict_do_update(index_elements=["id"], set_=values)
                        )
        return every

    def _fetch(self, item: Any) -> Media | str | None:
        try:
            return fetch(
                item.url,
                self.store,
                filename=item.filename,
                allowed_hosts=self.allowed_hosts,
                total_seconds=3 * self.settings.airtable_budget_s,
            )
        except FetchError as error:
            return (
                None
                if error.temporary
                else f"Media ({item.filename}): {error}. The author attaches it again."
            )
        except MediaError as error:
            return error.problem.sentence()

    # --- telling --------------------------------------------------------------------------------------

    def _tell(self, client: AirtableClient) -> None:
        with self.ledger.read() as connection:
            if restored.why_not(connection):
                return  # what Airtable was told before must not be overwritten by what an old ledger believes
        with client.within(self.settings.airtable_budget_s):
            told = flush(self.ledger, client)
        self._marked("airtable:told")
        self.lines.append(f"{told} rows were told")
