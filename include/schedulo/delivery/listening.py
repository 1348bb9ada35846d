"""Keeps the webhook by which Airtable tells of changes: makes it, lets it live on, removes what is left over.

A webhook lives for seven days, a base has room for ten, and its secret is told once. Where there cannot be
one, the row in the ledger says why, it is tried again after an hour, and the minute's reading goes on as
always: what is heard late is not lost.
Source: Airtable Web API, "Webhooks overview".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.changes import NOTED_MS, webhook_of
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.webhooks import (
    FULL,
    MANAGE,
    MOST_OF_A_BASE,
    Watched,
    Webhook,
    Webhooks,
    fingerprint,
    is_ours,
)
from schedulo.clock import spoken
from schedulo.delivery.incidents import Trouble, incident
from schedulo.errors.airtable import AirtableBusy, AirtableDown, AirtableError, AirtableRefused
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.listening import airtable_webhooks
from schedulo.settings import Settings
from schedulo.vault import Vault, VaultError

_W = airtable_webhooks.c
DAY_MS = 86_400_000
LOOK_MS = DAY_MS // 2
"""It is looked after so often."""
REFRESH_MS = 3 * DAY_MS
"""One with less time left is refreshed."""
LEFT_MS = 2 * DAY_MS
"""One of ours with less time left is nobody's any more: whoever used it would have refreshed it."""
REFUSED_MS = 3_600_000
BUSY_MS = 300_000
TICK_S = 60.0
"""Airtable is read anyway once in so long."""
UNREAD_MS = 900_000
"""A webhook that is to be read again and again and was not for so long is read by nobody."""
OLD_MS = 300_000
"""So much may a ping be older than the last one that came, and still count: clocks differ, calls are late."""
FOLLOWER = "follow_changes"
"""The Dag that has it read."""
NAME = "Airtable's webhook {}"
"""What the vault calls it in what it says."""
UNREACHED = (
    "Airtable had given up pinging {url}, since it was not answered with 200 or 204, and pings it again from "
    "now on: the operator sees that it can be reached from the internet, and what our api-server answers."
)
GOES_ON = "Until then changes are seen when Airtable is read next, as without it."
UNREAD = (
    f"the operator looks whether {FOLLOWER} is paused, and whether a triggerer runs and can use the "
    f"Connection to Airtable. {GOES_ON}"
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be there."""

    watched: Watched
    url: str
    """Where pings go; empty: nowhere."""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.watched, self.url)


def too_slow(settings: Settings) -> str:
    """Why asking for changes again and again is of no use with this plan; empty: it is."""
    chosen = settings.airtable_changes == "poll" and not settings.airtable_changes_poll_s
    if not chosen or settings.changes_every_s < max(TICK_S, settings.airtable_poll_s):
        return ""
    return (
        f"With {settings.airtable_monthly_calls} calls a month Airtable could be asked for changes every "
        f"{settings.changes_every_s:.0f} s only: reading it as always is as quick. The operator sets "
        "SCHEDULO_AIRTABLE_CHANGES to ping, or takes a plan with more calls."
    )


def keep(ledger: Ledger, client: AirtableClient, settings: Settings, *, at_once: bool = False) -> list[str]:
    """Bring the base's webhook in line with the settings; answers what was done, as lines for a log. Costs a
    call or two twice a day, and asks nobody where nothing is to be done.

    Airtable's troubles are kept in the ledger, never raised.

    :param at_once: look now, whenever it was looked at last
    """
    row = webhook_of(ledger, client.base_id)
    off = settings.airtable_changes == "off" or bool(too_slow(settings))
    url = settings.airtable_ping_url if settings.airtable_changes == "ping" else ""
    if (off and row is None) or not (at_once or _due(ledger, row, url, off=off)):
        return []
    try:
        with client.within(settings.airtable_budget_s):
            if off:
                return [remove(ledger, client)]
            webhooks = Webhooks(client)
            return _Keeper(ledger, webhooks, client.base_id, row, _Wanted(webhooks.watched(), url)).keep(
                settings
            )
    except (AirtableError, VaultError) as error:
        return [_trouble(ledger, client.base_id, row, error)]


def remove(ledger: Ledger, client: AirtableClient) -> str:
    """Remove the base's webhook, and all that is known of it; answers what was done.

    :raises AirtableError: where Airtable did not answer
    """
    row = webhook_of(ledger, client.base_id)
    said = "Airtable has no webhook of ours any more"
    if row is not None and row.webhook_id is not None:
        try:
            Webhooks(client).remove(row.webhook_id)
        except AirtableRefused as error:
            said = f"Airtable's webhook is left alone, and ends by itself within seven days: {error}"
    with ledger.begin() as connection:
        connection.execute(sa.delete(airtable_webhooks).where(_W.base_id == client.base_id))
    return said


@dataclass(frozen=True, slots=True)
class Stands:
    """How it stands with the webhook."""

    well: bool
    sentence: str


def told(ledger: Ledger, base_id: str | None, settings: Settings) -> Stands:
    """Whether changes are told, and if not why, and who mends it. Asks Airtable nothing.

    :param base_id: None: of the one base that there is
    """
    if settings.airtable_changes == "off":
        return Stands(True, "Changes are seen when Airtable is read: SCHEDULO_AIRTABLE_CHANGES is off.")
    if why := too_slow(settings):
        return Stands(False, why)
    which = sa.true() if base_id is None else _W.base_id == base_id
    with ledger.read() as connection:
        row = connection.execute(sa.select(airtable_webhooks).where(which)).first()
        now_ms = ledger.now_ms(connection)
    if row is not None and row.trouble:
        return Stands(False, row.trouble)
    if row is None or row.webhook_id is None:
        return Stands(False, "There is no webhook yet: the next run of publish_due_posts makes it.")
    if settings.airtable_changes == "ping":
        return _pings(row, now_ms)
    read = f"last read {spoken(row.read_ms, now_ms)}" if row.read_ms else "not read yet"
    every = f"every {settings.changes_every_s:g} s"
    last_ms = max(row.read_ms or 0, row.made_ms or 0)
    if now_ms - last_ms > UNREAD_MS:
        return Stands(
            False,
            f"Airtable's webhook should be read {every} and was {read}: {UNREAD}",
        )
    return Stands(True, f"Airtable's webhook is read {every}, {read}.")


def _pings(row: sa.Row[Any], now_ms: int) -> Stands:
    if not row.pinged_ms:
        return Stands(True, f"Airtable pings {row.url}; no ping came yet.")
    when = spoken(row.pinged_ms, now_ms)
    # That nothing was told is written down once in a while only.
    if row.pinged_ms > (row.read_ms or 0) + NOTED_MS and row.pinged_ms < now_ms - UNREAD_MS:
        return Stands(False, f"Airtable's webhook was not read since a ping came {when}: {UNREAD}")
    return Stands(True, f"Airtable pings {row.url}; the last ping came {when}.")


def pinged(ledger: Ledger, webhook_id: str, said_ms: int | None = None) -> None:
    """Airtable has sent a ping, and it is Airtable's own: there is something to read. Nothing comes of one
    that was made long before the last that came, since what it was for is read with that one: who repeats a
    ping does not have Airtable's calls used up.

    :param said_ms: when Airtable made it, by its own clock; None: it does not say
    """
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        news = sa.or_(
            _W.pinged_ms.is_(None), _W.pinged_ms <= (now_ms if said_ms is None else said_ms) + OLD_MS
        )
        connection.execute(
            sa.update(airtable_webhooks).where(_W.webhook_id == webhook_id, news).values(pinged_ms=now_ms)
        )


def secret_of(ledger: Ledger, vault: Vault, webhook_id: str) -> str | None:
    """What the pings of a webhook are signed with, in Base64; None: it is none of ours, or sends none.

    :raises VaultError: where no key opens it
    """
    with ledger.read() as connection:
        sealed = connection.execute(sa.select(_W.secret).where(_W.webhook_id == webhook_id)).scalar()
    return str(vault.open(NAME.format(webhook_id), sealed)["mac"]) if sealed else None


def _due(ledger: Ledger, row: sa.Row[Any] | None, url: str, *, off: bool) -> bool:
    if row is None:
        return True
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
    return bool(now_ms >= row.next_ms or ((off or row.url != url) and not row.trouble))


@dataclass(frozen=True, slots=True)
class _Keeper:
    ledger: Ledger
    webhooks: Webhooks
    base_id: str
    row: sa.Row[Any] | None
    wanted: _Wanted

    def keep(self, settings: Settings) -> list[str]:
        """Have one webhook that does what is wanted, and none that is left over."""
        vault = Vault(self.ledger, settings.vault_key) if self.wanted.url else None
        with self.ledger.read() as connection:
            now_ms = self.ledger.now_ms(connection)
        there = self.webhooks.all()
        mine = next((one for one in there if self.row is not None and one.id == self.row.webhook_id), None)
        if mine is not None and self._serves(mine, vault, now_ms):
            said = self._refresh(mine, now_ms)
            return said + self._clear(self._left_over(there, mine, now_ms))
        found = next((one for one in there if self._may_be_taken_over(one, now_ms)), None)
        if found is not None:
            self._enter(found.id, "", found.cursor, found.expires_ms)
            said = ["Airtable tells changes from now on, by a webhook that was left over"]
        else:
            # What changes while there is none is read with everything else.
            room = self._ours(there)[: max(0, len(there) - MOST_OF_A_BASE + 1)]
            said = self._clear(room)
            there = [one for one in there if one not in room]
            made = self.webhooks.make(self.wanted.watched, self.wanted.url)
            sealed = vault.seal({"mac": made.secret}) if vault else ""
            self._enter(made.id, sealed, 1, made.expires_ms)
            said.append("Airtable tells changes from now on: a webhook was made")
        left = self._left_over(there, found, now_ms)
        if mine is not None and mine is not found and mine in there and mine not in left:
            left.append(mine)
        return said + self._clear(left)

    def _serves(self, mine: Webhook, vault: Vault | None, now_ms: int) -> bool:
        """Ours does what is wanted. What it does is known by what was asked for: Airtable may show that
        otherwise. Where no key opens its secret any more, all its pings would be refused."""
        assert self.row is not None
        known = vault is None or (bool(self.row.secret) and _opens(vault, mine.id, self.row.secret))
        return known and self.row.fingerprint == self.wanted.fingerprint and _lives(mine, now_ms)

    def _may_be_taken_over(self, one: Webhook, now_ms: int) -> bool:
        """Pings need a secret that is told once; what is asked for needs none, and may be read by two."""
        return not self.wanted.url and one.fingerprint == self.wanted.fingerprint and _lives(one, now_ms)

    def _refresh(self, mine: Webhook, now_ms: int) -> list[str]:
        """Let it live on. Where pings did not reach us, what they were for is read all the same."""
        assert self.row is not None
        said: list[str] = []
        values: dict[str, Any] = {"expires_ms": mine.expires_ms}
        if mine.expires_ms is not None and mine.expires_ms < now_ms + REFRESH_MS:
            values["expires_ms"] = self.webhooks.refresh(mine.id)
            said.append("Airtable's webhook lives for another seven days")
        if self.wanted.url and mine.cursor > self.row.cursor:
            values["pinged_ms"] = now_ms
        if self.wanted.url and not mine.notifies:
            self.webhooks.notify(mine.id)
            values |= {"trouble": UNREACHED.format(url=self.wanted.url), "next_ms": now_ms + REFUSED_MS}
            said.append(values["trouble"])
        self._write(**values)
        return said

    def _enter(self, webhook_id: str, sealed: str, cursor: int, expires_ms: int | None) -> None:
        self._write(
            webhook_id=webhook_id,
            url=self.wanted.url,
            secret=sealed,
            fingerprint=self.wanted.fingerprint,
            watched=self.wanted.watched,
            cursor=cursor,
            lost=True,
            made=True,
            expires_ms=expires_ms,
        )

    def _write(self, *, made: bool = False, **values: Any) -> None:
        """Write down how it is, which is well where no trouble is named; rows of bases that are no longer
        ours go."""
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            values = {"next_ms": now_ms + LOOK_MS, "trouble": "", **values}
            if made:
                values["made_ms"] = now_ms
            if values["trouble"]:
                _tell(connection, now_ms, values["trouble"])
            connection.execute(
                upsert(connection, airtable_webhooks)
                .values(base_id=self.base_id, **values)
                .on_conflict_do_update(index_elements=["base_id"], set_=values)
            )
            connection.execute(sa.delete(airtable_webhooks).where(_W.base_id != self.base_id))

    def _ours(self, there: Sequence[Webhook]) -> list[Webhook]:
        """Those that an installation of ours made, the dead and those that end first at the head."""
        ours = [one for one in there if is_ours(one, self.wanted.watched)]
        return sorted(ours, key=lambda one: (one.enabled, one.expires_ms or 0))

    def _left_over(self, there: Sequence[Webhook], kept: Webhook | None, now_ms: int) -> list[Webhook]:
        """Ours that nobody uses: dead, about to end, or with our address and a secret that nobody knows."""
        soon_ms = now_ms + LEFT_MS
        return [
            one
            for one in self._ours(there)
            if one is not kept
            and (not _lives(one, soon_ms) or (bool(one.url) and one.url == self.wanted.url))
        ]

    def _clear(self, left: Sequence[Webhook]) -> list[str]:
        for one in left:
            self.webhooks.remove(one.id)
        return [f"Webhooks of ours that were left over and are removed: {len(left)}"] if left else []


def _opens(vault: Vault, webhook_id: str, sealed: str) -> bool:
    try:
        vault.open(NAME.format(webhook_id), sealed)
    except VaultError:
        return False
    return True


def _lives(one: Webhook, at_ms: int) -> bool:
    return one.enabled and (one.expires_ms is None or one.expires_ms > at_ms)


def _trouble(ledger: Ledger, base_id: str, row: sa.Row[Any] | None, error: AirtableError | VaultError) -> str:
    """Write down why there is none; people are told where there was one before."""
    passing = isinstance(error, AirtableBusy | AirtableDown)
    sentence = "" if passing else f"{why_not(error)} {GOES_ON}"
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        values: dict[str, Any] = {"next_ms": now_ms + (BUSY_MS if passing else REFUSED_MS)}
        if sentence:
            values |= {"trouble": sentence}
        connection.execute(
            upsert(connection, airtable_webhooks)
            .values(base_id=base_id, **values)
            .on_conflict_do_update(index_elements=["base_id"], set_=values)
        )
        if sentence and row is not None and row.made_ms is not None:
            _tell(connection, now_ms, sentence)
    return f"Airtable's webhook: {sentence or error}"


def _tell(connection: sa.Connection, now_ms: int, sentence: str) -> None:
    incident(connection, now_ms, Trouble.AIRTABLE_CHANGES, sentence, actor=Actor.OPERATOR)


def why_not(error: AirtableError | VaultError) -> str:
    """What keeps Airtable from telling changes, and who mends it."""
    if isinstance(error, AirtableError) and error.code == FULL:
        return (
            f"The base has {MOST_OF_A_BASE} webhooks already, as many as Airtable allows: who runs the "
            "programs that made them removes one; `schedulo airtable webhooks` names them."
        )
    if isinstance(error, AirtableRefused) and error.status == 403:
        return (
            f"Airtable does not allow a webhook ({error.code or error.status}): the operator gives the token "
            f"the scope {MANAGE}; whoever made the token must be a creator in the base."
        )
    said = str(error)
    return said if said.endswith(".") else f"{said}."
