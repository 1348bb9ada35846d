"""What the ledger knows of logins, without opening one: all that decides what is due.

Asked once an hour for all accounts; nothing here speaks with a platform or writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.holds import WAITING
from schedulo.errors import Kind
from schedulo.ledger.tables import accounts, credentials, deliveries, holds
from schedulo.model import Account, Platform
from schedulo.platforms.instagram_accepts import Login as InstagramLogin

PLANNED_S = 2 * 86400.0
"""Posts due within this time make an account worth a daily look."""
DEAD = (Kind.RECONNECT, Kind.TOKEN_EXPIRED)
"""Holds of these kinds say that a login is no longer accepted."""

_A, _C, _D, _H = accounts.c, credentials.c, deliveries.c, holds.c


@dataclass(frozen=True, slots=True)
class Login:
    """One account's login. Instants are milliseconds since the epoch; None: not known, or none."""

    account: Account
    active: bool
    serial: int
    renewable: bool
    """It holds a second token."""
    issued_ms: int
    """When it was connected or renewed last."""
    renewed_ms: int | None
    checked_ms: int | None
    expires_ms: int | None
    refresh_expires_ms: int | None
    data_access_ms: int | None
    scopes: frozenset[str] | None
    problem: str
    warned_days: int | None
    warned_end_ms: int | None
    next_post_ms: int | None
    """When its next post is due, if that is within `PLANNED_S`; not before now."""
    dead: bool
    """It is held because its login is no longer accepted."""

    @property
    def key(self) -> str:
        return self.account.key

    @property
    def rotates(self) -> bool:
        """Its access token lives for hours and is renewed with the second one whenever that is needed."""
        return self.renewable and self.account.platform in (Platform.X, Platform.TIKTOK)

    @property
    def by_instagram(self) -> bool:
        """It is renewed with itself, while it is valid."""
        instagram = self.account.platform is Platform.INSTAGRAM
        return instagram and self.account.options.get("login") == InstagramLogin.INSTAGRAM

    @property
    def renews(self) -> bool:
        """It can be renewed without a person."""
        return self.renewable or self.by_instagram

    @property
    def end_ms(self) -> int | None:
        """When a person is needed, if nothing is renewed until then."""
        if self.rotates:
            return self.refresh_expires_ms
        ends = [end for end in (self.expires_ms, self.data_access_ms) if end is not None]
        return min(ends, default=None)


Which = Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]
"""SQL over rows of `credentials` and `accounts`; its argument is the instant of the next post."""


def logins(
    connection: sa.Connection, now_ms: int, keys: Collection[str] | None = None, which: Which | None = None
) -> list[Login]:
    """All logins of known accounts, by account key; where they are named, those of `keys` and of `which`."""
    soon = (
        sa.select(_D.account_key, sa.func.min(_D.fire_ms).label("next_ms"))
        .where(
            _D.state.in_(WAITING),
            _D.fire_ms <= now_ms + int(PLANNED_S * 1000),
            _D.not_after_ms > now_ms,
        )
        .group_by(_D.account_key)
        .subquery()
    )
    dead = sa.exists().where(
        _H.scope == "account",
        _H.key == _C.account_key,
        _H.error_kind.in_(DEAD),
        _H.lifted_ms.is_(None),
        sa.or_(_H.until_ms.is_(None), _H.until_ms > now_ms),
    )
    query = (
        sa.select(credentials, accounts, soon.c.next_ms, dead.label("dead"))
        .join(accounts, _A.key == _C.account_key)
        .outerjoin(soon, soon.c.account_key == _C.account_key)
        .order_by(_C.account_key)
    )
    if keys is not None:
        named = _C.account_key.in_(list(keys))
        query = query.where(named if which is None else sa.or_(named, which(soon.c.next_ms)))
    return [_login(row, now_ms) for row in connection.execute(query)]


def _login(row: Any, now_ms: int) -> Login:
    account = Account(Platform(row.platform), row.account_id, row.name, row.timezone, row.options)
    issued_ms = row.refreshed_ms or row.obtained_ms or row[credentials.c.updated_ms]
    return Login(
        account=account,
        active=row.active,
        serial=row.serial,
        renewable=row.renewable,
        issued_ms=issued_ms,
        renewed_ms=row.refreshed_ms,
        checked_ms=row.checked_ms,
        expires_ms=row.expires_ms,
        refresh_expires_ms=row.refresh_expires_ms,
        data_access_ms=row.data_access_ms,
        scopes=None if row.scopes is None else frozenset(row.scopes),
        problem=row.problem,
        warned_days=row.warned_days,
        warned_end_ms=row.warned_end_ms,
        next_post_ms=None if row.next_ms is None else max(row.next_ms, now_ms),
        dead=row.dead,
    )
