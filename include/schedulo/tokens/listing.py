"""How every login stands, for people: nothing of it is secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.ledger.tables import accounts, credentials
from schedulo.model import Format
from schedulo.settings import Settings
from schedulo.tokens.due import due
from schedulo.tokens.logins import Login, logins
from schedulo.tokens.telling import lacks, planned


@dataclass(frozen=True, slots=True)
class Standing:
    """One account's login."""

    account_key: str
    name: str
    state: str
    """good, ends soon, dead, not looked at, no token, in the Connection, no row."""
    note: str
    """What should be known, as a sentence; mostly empty."""
    instants: Mapping[str, int | None]
    """Milliseconds since the epoch, by name; None: not known, or none."""
    scopes: tuple[str, ...] | None

    def to_json(self) -> dict[str, Any]:
        at = {name: None if value is None else iso(value) for name, value in self.instants.items()}
        return {
            "account": self.account_key,
            "name": self.name,
            "state": self.state,
            "note": self.note,
            **at,
            "scopes": None if self.scopes is None else list(self.scopes),
        }


SOON_MS = 14 * 86_400_000


def standings(
    connection: sa.Connection, now_ms: int, settings: Settings, alone: frozenset[str] = frozenset()
) -> list[Standing]:
    """All accounts that the ledger or the vault knows, by key.

    :param alone: accounts whose token is in a Connection
    """
    found = {login.key: login for login in logins(connection, now_ms)}
    formats = planned(connection, now_ms)
    names = {row.key: row.name for row in connection.execute(sa.select(accounts.c.key, accounts.c.name))}
    kept = set(connection.execute(sa.select(credentials.c.account_key)).scalars())
    listed: list[Standing] = []
    for key in sorted(names.keys() | kept | alone):
        name = names.get(key, "")
        if key in alone:
            listed.append(Standing(key, name, "in the Connection", "only the operator renews it", {}, None))
        elif key in found:
            listed.append(_standing(found[key], formats.get(key, set()), now_ms, settings))
        elif key in kept:
            note = "it is looked after once the account has a row in Airtable"
            listed.append(Standing(key, name, "no row", note, {}, None))
        else:
            note = f"connect it: schedulo accounts connect {key.replace(':', ' ', 1)}"
            listed.append(Standing(key, name, "no token", note, {}, None))
    return listed


def _standing(login: Login, formats: set[tuple[Format, bool]], now_ms: int, settings: Settings) -> Standing:
    missing = {} if login.scopes is None else lacks(login.account, login.scopes, formats)
    state, notes = "good", []
    if login.checked_ms is None:
        state = "not looked at"
    if login.end_ms is not None and login.end_ms - now_ms <= SOON_MS:
        state = "ends soon"
        notes.append(f"a person is needed by {iso(login.end_ms)}")
    if login.dead or (login.end_ms is not None and login.end_ms <= now_ms):
        state, notes = "dead", [f"connect it: schedulo accounts connect {login.key.replace(':', ' ', 1)}"]
    if missing:
        notes.append(f"it lacks {', '.join(missing)}, which planned posts need")
    if login.problem:
        notes.append(login.problem)
    if step := due(login, now_ms, settings.login_check_s):
        notes.append(f"to {step.action} with the next run, because {step.why}")
    instants = {
        "connected_or_renewed": login.issued_ms,
        "checked": login.checked_ms,
        "access_ends": login.expires_ms,
        "refresh_ends": login.refresh_expires_ms,
        "data_access_ends": login.data_access_ms,
        "next_post": login.next_post_ms,
    }
    scopes = None if login.scopes is None else tuple(sorted(login.scopes))
    return Standing(login.key, login.account.name, state, "; ".join(notes), instants, scopes)
