"""Tells people of logins: 14, 7, 3 and 1 days before they are needed, of missing permissions, of dead ones.

Each warning is an incident of its own, for the account's owner, told once. What was sent is kept beside the
login and changes in the same transaction, so that a restart neither repeats nor loses one.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.holds import WAITING, hold_account
from schedulo.delivery.incidents import Trouble, incident, over, replaced
from schedulo.errors import Actor, Diagnosis, Kind, PlatformError
from schedulo.ledger.tables import credentials, deliveries, incidents
from schedulo.model import Account, Format
from schedulo.platforms.logins import needs
from schedulo.tokens.due import FIRST_WARNING_DAYS
from schedulo.tokens.logins import Login
from schedulo.vault import OURSELVES, Act, audit

STAGES = (FIRST_WARNING_DAYS, 7, 3, 1)
"""A warning so many days before a person is needed."""
SAME_END_MS = 86_400_000
"""An end that moves by less is the same one: platforms round, and count from now."""
DAY_MS = 86_400_000

_C, _D = credentials.c, deliveries.c


def stage(end_ms: int, now_ms: int) -> int | None:
    """The warning that is due so long before an end; None: none yet."""
    return min((days for days in STAGES if end_ms - now_ms <= days * DAY_MS), default=None)


def warn(connection: sa.Connection, now_ms: int, login: Login) -> str | None:
    """Warn of an end that comes near, or take the warning back where it has moved. Answers what was done."""
    end_ms = login.end_ms
    warned, about = login.warned_days, login.warned_end_ms
    moved = warned is not None and (end_ms is None or about is None or end_ms - about > SAME_END_MS)
    now_due = None
    if end_ms is not None and end_ms > now_ms and login.active and not login.dead:
        now_due = stage(end_ms, now_ms)
    if moved and now_due is None:
        _note(connection, login, None, None)
        _close(connection, now_ms, login.key)
        return f"{login.key}: its end is far again"
    if now_due is None or (warned is not None and not moved and warned <= now_due):
        return None
    if not _note(connection, login, now_due, end_ms):
        return None  # another process warned, or the account was connected anew
    for days in STAGES:
        if days != now_due:
            replaced(connection, now_ms, Trouble.LOGIN_ENDS, f"{login.key}:{days}")
    assert end_ms is not None
    sentence = f"{_named(login.account)}: its login ends at {iso(end_ms)}, {_left(end_ms - now_ms)} from now"
    if login.problem and login.renews:
        sentence += f". It could not be renewed: {login.problem}"
    command = f"`schedulo accounts connect {login.account.platform} {login.account.account_id}`"
    incident(
        connection,
        now_ms,
        Trouble.LOGIN_ENDS,
        f"{sentence}. Connect it again before then, with {command}",
        actor=Actor.OWNER,
        about=f"{login.key}:{now_due}",
    )
    audit(connection, now_ms, login.key, OURSELVES, Act.WARNED, f"{now_due} days before {iso(end_ms)}")
    return f"{login.key}: its owner is warned, {now_due} days before {iso(end_ms)}"


def _note(connection: sa.Connection, login: Login, days: int | None, end_ms: int | None) -> bool:
    """Keep which warning was sent; False where the row has changed since it was read."""
    same = (
        _C.account_key == login.key,
        _C.serial == login.serial,
        _C.warned_days.is_not_distinct_from(login.warned_days),
        _C.warned_end_ms.is_not_distinct_from(login.warned_end_ms),
    )
    kept = connection.execute(
        sa.update(credentials).where(*same).values(warned_days=days, warned_end_ms=end_ms)
    )
    return kept.rowcount == 1


def _close(connection: sa.Connection, now_ms: int, key: str) -> None:
    for days in STAGES:
        over(connection, now_ms, Trouble.LOGIN_ENDS, f"{key}:{days}")


def connected(connection: sa.Connection, now_ms: int, account_keys: Iterable[str]) -> None:
    """These accounts have a new login: what was said of the old one is over."""
    for key in account_keys:
        _close(connection, now_ms, key)
        over(connection, now_ms, Trouble.LOGIN_LACKS, key)


# --- permissions ------------------------------------------------------------------------------------------


def planned(connection: sa.Connection, now_ms: int) -> dict[str, set[tuple[Format, bool]]]:
    """What accounts have planned: formats, and whether with a first comment."""
    comment = _D.content["first_comment"].as_string()
    query = (
        sa.select(_D.account_key, _D.content["format"].as_string().label("format"), comment.label("comment"))
        .where(_D.state.in_(WAITING), _D.not_after_ms > now_ms)
        .distinct()
    )
    found: dict[str, set[tuple[Format, bool]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.account_key, set()).add((Format(row.format), bool(row.comment)))
    return found


def lacks(account: Account, scopes: frozenset[str], formats: Iterable[tuple[Format, bool]]) -> dict[str, str]:
    """The permissions that planned posts need and the login has not, each with a format that needs it."""
    found: dict[str, str] = {}
    for format_, comment in sorted(formats):
        for scope in sorted(needs(account, format_, comment=comment) - scopes):
            found.setdefault(scope, f"{format_}{' with a first comment' if comment else ''}")
    return found


def tell_lacks(
    connection: sa.Connection, now_ms: int, login: Login, formats: Iterable[tuple[Format, bool]]
) -> str | None:
    """Say what a login may not do and should; or that it may now."""
    if login.scopes is None or login.dead or not login.active:
        return None
    missing = lacks(login.account, login.scopes, formats)
    known = connection.execute(
        sa.select(incidents.c.sentence).where(
            incidents.c.key == f"{Trouble.LOGIN_LACKS}:{login.key}", incidents.c.closed_ms.is_(None)
        )
    ).scalar()
    if not missing:
        if known is not None:
            over(connection, now_ms, Trouble.LOGIN_LACKS, login.key)
        return None
    what = ", ".join(f"{scope} (for: {format_})" for scope, format_ in missing.items())
    sentence = f"{_named(login.account)}: its login lacks {what}"
    if sentence == known:
        return None
    incident(connection, now_ms, Trouble.LOGIN_LACKS, sentence, actor=Actor.OWNER, about=login.key)
    return sentence


# --- dead logins ------------------------------------------------------------------------------------------


def ended(login: Login, why: str) -> PlatformError:
    """The error of a login that has come to its end, by what was known of it."""
    return PlatformError(login.account.platform, Diagnosis(Kind.RECONNECT, refusal=False), message=why)


def hold(connection: sa.Connection, now_ms: int, login: Login, error: PlatformError) -> bool:
    """Hold an account whose login is dead, before its next post is due. False: it is a new one."""
    same = (_C.account_key == login.key, _C.serial == login.serial)
    query = sa.update(credentials).where(*same).values(problem=error.sentence())
    if connection.execute(query).rowcount != 1:
        return False
    for days in STAGES:
        replaced(connection, now_ms, Trouble.LOGIN_ENDS, f"{login.key}:{days}")
    if hold_account(connection, now_ms, login.key, error):
        audit(connection, now_ms, login.key, OURSELVES, Act.HELD, error.sentence())
    return True


def _named(account: Account) -> str:
    return f"{account.platform} @{account.name}" if account.name else account.key


def _left(left_ms: int) -> str:
    hours = left_ms // 3_600_000
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
