"""Plans rows: what each means on each of its accounts, put into the ledger.

Every row is planned at once with what is known of it. Media are only looked up: what is not here yet is
fetched and made to fit by `prepare`, and its deliveries wait until then (`Plan.ready`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import AccountRow, PostRow
from schedulo.airtable.schema import ACCOUNTS, POSTS
from schedulo.clock import ClockError
from schedulo.delivery import allowances
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.planning import Plan, PostPlan, plan_anew, plan_post, register
from schedulo.errors.kinds import Actor
from schedulo.ledger import changes, marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts
from schedulo.media.store import MediaStore
from schedulo.model import Account, Platform
from schedulo.planning import approvals, mentions
from schedulo.planning.content import Fitted, Work, content_hash, fingerprint, fit
from schedulo.planning.files import Files, called_so, known_files, refs_of
from schedulo.planning.mentions import Mentions
from schedulo.platforms import AFTER
from schedulo.platforms.after import After
from schedulo.platforms.base import Conversation
from schedulo.settings import Settings
from schedulo.words import shown

ACCOUNTS_EVERY_S = 600.0


@dataclass(slots=True)
class Planner:
    """Brings the ledger in line with rows. `lines` tells what was done, as sentences for the log."""

    ledger: Ledger
    store: MediaStore
    settings: Settings
    conversations: Mapping[Platform, Conversation]
    after: Mapping[Platform, After] = field(default_factory=lambda: AFTER)
    lines: list[str] = field(default_factory=list)
    _account_rows: Sequence[AccountRow] = field(default=(), init=False)
    """The Accounts table where it was read: it says why an account cannot be used."""
    _aliases: dict[str, str] = field(default_factory=dict, init=False)
    """The account's key for each of its rows: people have made two rows of one account."""

    def moment(self) -> int:
        """The database's time, in milliseconds: taken before rows are read, it tells how old they are."""
        with self.ledger.read() as connection:
            return self.ledger.now_ms(connection)

    def plan(self, client: AirtableClient, rows: Sequence[PostRow], read_ms: int) -> None:
        """Bring the ledger in line with these rows, and with the accounts they name.

        :param read_ms: `moment` before they were read; what was read later of a post counts for more
        :raises AirtableError: where an account is not known and cannot be read
        """
        if self.accounts_are_due(rows):
            self.know_accounts(client)
        self.plan_known(rows, read_ms)

    def plan_known(self, rows: Sequence[PostRow], read_ms: int) -> None:
        """The same with the accounts as they are known."""
        try:
            self._plan_together(rows, read_ms)
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise
        except Exception:
            # One row must not spoil the others: each gets a transaction of its own.
            for row in rows:
                self._plan_alone(row, read_ms)

    def accounts_are_due(self, rows: Iterable[PostRow]) -> bool:
        """They were not read for a while or are heard to be changed, or one of these rows names another."""
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            _, at_ms = marks.read(connection, "airtable:accounts")
            known = set(connection.execute(sa.select(accounts.c.record_id)).scalars())
            fresh = not changes.heard_of(connection, ACCOUNTS) and now_ms - at_ms < ACCOUNTS_EVERY_S * 1000
        named = {id_ for row in rows for id_ in row.account_record_ids}
        return not (named <= known and fresh)

    def know_accounts(self, client: AirtableClient) -> None:
        """Read the accounts and who is mentioned; what stands otherwise now is planned anew.

        :raises AirtableError: where they cannot be read
        """
        now_ms = self.moment()
        found, people = client.accounts(), client.mentions()
        usable: dict[str, tuple[Account, str, bool]] = {}
        for row in sorted(found, key=lambda row: (not row.active, row.record_id)):
            account = row.account(self.settings.airtable_timezone)
            if account is None:
                continue
            self._aliases[row.record_id] = account.key
            options = {**self.settings.account_options(account.platform), **account.options}
            account = replace(account, options=options)
            usable.setdefault(account.key, (account, row.record_id, row.active))  # of two rows the active one
        with self.ledger.begin() as connection:
            changed = register(connection, now_ms, list(usable.values()))
            if people is not None and mentions.keep(connection, now_ms, people):
                changed = list(usable)
            plan_anew(connection, changed)
            marks.mark(connection, now_ms, "airtable:accounts")
            changes.read(connection, ACCOUNTS, None, now_ms)
        self._account_rows = found

    def _plan_together(self, rows: Sequence[PostRow], read_ms: int) -> None:
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            known = self.known_accounts(connection)
            files = known_files(connection, self.store, [row for row in rows if row.status_ready])
            people = mentions.known(connection)
            guard_ms = int(self.settings.content_guard_s * 1000)
            for row in sorted(rows, key=lambda row: row.record_id):  # who plans too locks in the same order
                plan = replace(self._post_plan(now_ms, row, files, people, known), read_ms=read_ms)
                plan_post(connection, now_ms, plan, guard_ms)
            changes.read(connection, POSTS, {row.record_id for row in rows}, read_ms)

    def _plan_alone(self, row: PostRow, read_ms: int) -> None:
        try:
            self._plan_together([row], read_ms)
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise
        except Exception as error:
            what = type(error).__name__
            problem = f"Schedulo cannot plan this post ({what}): a fault of the program. Tell the operator."
            self.lines.append(f"{row.record_id}: {problem}")
            with self.ledger.begin() as connection:
                now_ms = self.ledger.now_ms(connection)
                spoilt = PostPlan(row.record_id, shown(row.title), (), problem, False, row.status_ready)
                plan_post(connection, now_ms, replace(spoilt, read_ms=read_ms), 0)
                changes.read(connection, POSTS, [row.record_id], read_ms)
                incident(
                    connection, now_ms, Trouble.SETUP, problem, actor=Actor.OPERATOR, about=f"planning:{what}"
                )

    def known_accounts(self, connection: sa.Connection) -> dict[str, tuple[Account, bool]]:
        """The accounts by the ids of their rows, and whether they are active."""
        now_ms = self.ledger.now_ms(connection)
        found = {
            row.key: (row.record_id, allowances.account_of(row, now_ms), row.active)
            for row in connection.execute(sa.select(accounts))
        }
        known = {record_id: (account, active) for record_id, account, active in found.values()}
        return known | {record_id: found[key][1:] for record_id, key in self._aliases.items() if key in found}

    def fitted(self, row: PostRow, files: Files, people: Mentions, account: Account) -> Fitted:
        """What the row is on one account."""
        conversation, public = self.conversations[account.platform], bool(self.settings.media_base_url)
        return fit(
            row,
            files,
            account,
            conversation,
            people,
            public_media=public,
            default_fit=self.settings.fit,
        )

    def work(self, row: PostRow) -> list[Work]:
        """What is to be done to files that are here, for all accounts of a row; each only once."""
        with self.ledger.read() as connection:
            known = self.known_accounts(connection)
            files = known_files(connection, self.store, [row])
            people = mentions.known(connection)
        chosen = {known[id_][0].key: known[id_][0] for id_ in row.account_record_ids if id_ in known}
        found = [self.fitted(row, files, people, account) for account in chosen.values()]
        return list(
            {(item.media.sha256, item.recipe.key): item for one in found for item in one.work}.values()
        )

    def _post_plan(
        self,
        now_ms: int,
        row: PostRow,
        files: Files,
        people: Mentions,
        known: Mapping[str, tuple[Account, bool]],
    ) -> PostPlan:
        found = [files.of(ref) for ref in refs_of(row)]
        problems = [problem.sentence() for problem in row.problems]
        problems += [file.problem for file in found if file.problem]
        chosen = {known[id_][0].key: known[id_] for id_ in row.account_record_ids if id_ in known}
        fitted = {key: self.fitted(row, files, people, account) for key, (account, _) in chosen.items()}
        plans = tuple(self._one(now_ms, row, fitted[key], *one, problems) for key, one in chosen.items())
        unprepared = row.status_ready and not all(one.ready for one in fitted.values())
        strangers = [id_ for id_ in row.account_record_ids if id_ not in known]
        if strangers and row.status_ready:
            problems = [*problems, *self._strangers(strangers)]
        alone = "\n".join(problems) if row.status_ready and (not plans or strangers) else ""
        return PostPlan(row.record_id, row.title, plans, alone, unprepared, row.status_ready)

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
        self,
        now_ms: int,
        row: PostRow,
        fitted: Fitted,
        account: Account,
        active: bool,
        problems: Sequence[str],
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
        if not row.problems:  # what cannot be read counts as empty, which would be a problem of its own
            found += [problem.sentence() for problem in fitted.problems if not problem.warning]
            found += fitted.failed
        rejected = approvals.rejected(row)
        found += [rejected.sentence()] if rejected and not problems else []
        missed_ms = due_ms + int(self.settings.missed_after_s * 1000)
        return Plan(
            account=account,
            content=fitted.content,
            content_hash=content_hash(fitted.written) if fitted.written else "",
            fingerprint=fingerprint(fitted.written) if fitted.written else "",
            due_ms=due_ms,
            not_after_ms=min(missed_ms, row.not_after_ms) if row.not_after_ms else missed_ms,
            problem="\n".join(found),
            note=note,
            warnings="\n".join(problem.sentence() for problem in fitted.problems if problem.warning),
            waits_for=self._waits_for(fitted, due_ms - now_ms),
            approval=approvals.needed(row, self.settings),
            in_maintenance=row.in_maintenance,
            uneditable=self.after[account.platform].cannot_edit(account, fitted.content)
            if fitted.content
            else "",
        )

    def _waits_for(self, fitted: Fitted, due_in_ms: int) -> str:
        """Why it is not ready, for people; empty where it is."""
        if fitted.ready:
            return ""
        missing = [_named(file.name, file.trouble) for file in fitted.missing]
        misfits = [_named(called_so(item.media.filename), item.trouble) for item in fitted.work]
        ahead_ms = int(self.settings.prepare_ahead_s * 1000)
        tried = any([*(file.trouble for file in fitted.missing), *(item.trouble for item in fitted.work)])
        if due_in_ms > ahead_ms and not tried:
            hours = self.settings.prepare_ahead_s / 3600
            named = ", ".join((*missing, *misfits))
            return f"its media are fetched and checked within {hours:g} hours before it is due: {named}"
        said = [f"its media are not here yet: {', '.join(missing)}"] if missing else []
        said += [f"its media are not made to fit yet: {', '.join(misfits)}"] if misfits else []
        return "; ".join(said)


def _named(name: str, trouble: str) -> str:
    return f"{name} ({trouble})" if trouble else name
