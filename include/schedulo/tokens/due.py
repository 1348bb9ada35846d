"""What is due for a login now: the rules of every platform, as a function of what is known and of the time.

What may be renewed without a person is renewed long before it must be; the rest is looked at, so that a login
that died is found before its next post is due. The clock is an argument.

Sources: Meta, long-lived tokens and refresh_access_token; X, OAuth 2.0 with PKCE; TikTok, user access tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.ledger.tables import accounts, credentials
from schedulo.model import Platform
from schedulo.platforms.instagram_accepts import Login as InstagramLogin
from schedulo.tokens.logins import Login, Which

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000

EVERY_MS = _HOUR
"""How often it is asked what is due."""
AHEAD_MS = 90 * _MINUTE
"""A login is renewed for posts due within this time: more than an hour, less than X's and TikTok's two."""
AFTER_MS = 30 * _MINUTE
"""A post's platform may work on it for so long after its second; its token lives longer."""
OLD_ENOUGH_MS = _DAY + _MINUTE
"""Instagram renews no younger login; a minute more, because clocks differ."""
LAST_DAYS_MS = 7 * _DAY
"""What has so little left is renewed whatever it lived."""
LEAST_MS = _DAY
"""A login whose end does not move by renewing is not renewed more often."""
STILL_MS = 5 * _MINUTE
"""Nothing is renewed so shortly before a post that can do without: its token may be in use already."""
IDLE_DAYS = 7
"""How often a login without posts to come is looked at."""
FIRST_WARNING_DAYS = 14
"""Before a person is needed."""

_A, _C = accounts.c, credentials.c


class Action(StrEnum):
    RENEW = "renew"
    CHECK = "check"
    HOLD = "hold"
    """It has ended, and only a person can make another."""


@dataclass(frozen=True, slots=True)
class Due:
    action: Action
    why: str


def due(login: Login, now_ms: int, check_s: float) -> Due | None:
    """What to do with a login now; None: nothing.

    :param check_s: how often one with posts to come is looked at; 0: never
    """
    if login.dead:
        return None  # only a person can
    if (ended := _ended(login, now_ms)) is not None:
        return Due(Action.HOLD, ended)
    why = _renewal(login, now_ms) if login.renews else None
    if why is not None:
        return None if _may_wait(login, now_ms) else Due(Action.RENEW, why)
    if not check_s or not login.active or not _unseen(login, now_ms, check_s):
        return None
    if login.rotates and not _may_wait(login, now_ms):  # no better proof, and its own token mostly has ended
        return Due(Action.RENEW, "it was not used for long")
    return None if login.rotates else Due(Action.CHECK, "it was not looked at for long")


def stirs(now_ms: int, check_s: float) -> Which:
    """SQL: something may be due for a login, or a warning. Most logins sleep most of the time: then they are
    not even read."""
    issued = sa.func.coalesce(_C.refreshed_ms, _C.obtained_ms, _C.updated_ms)
    rotates = sa.and_(_C.renewable, _A.platform.in_((Platform.X, Platform.TIKTOK)))
    near_ms = now_ms + FIRST_WARNING_DAYS * _DAY
    unseen_ms = now_ms - int(max(check_s * 1000, IDLE_DAYS * _DAY))

    def which(next_ms: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return sa.or_(
            _C.checked_ms.is_(None),
            _C.checked_ms <= unseen_ms,
            sa.and_(next_ms.is_not(None), _C.checked_ms <= now_ms - int(check_s * 1000)),
            sa.and_(
                rotates,
                next_ms <= now_ms + AHEAD_MS,
                sa.or_(_C.expires_ms.is_(None), _C.expires_ms < next_ms + AFTER_MS),
            ),
            sa.and_(sa.not_(rotates), _C.expires_ms <= near_ms),
            _C.data_access_ms <= near_ms,
            _C.refresh_expires_ms <= near_ms,
            issued + _C.refresh_expires_ms <= 2 * now_ms,
            sa.and_(
                _A.platform == Platform.INSTAGRAM,
                sa.or_(
                    issued + _C.expires_ms <= 2 * now_ms,
                    sa.and_(
                        _C.expires_ms.is_(None),
                        _A.options["login"].as_string() == InstagramLogin.INSTAGRAM,
                    ),
                ),
            ),
            _C.warned_days.is_not(None),
        )

    return which


def _ended(login: Login, now_ms: int) -> str | None:
    """Why nothing but a person helps; None where something may."""
    if login.data_access_ms is not None and login.data_access_ms <= now_ms:
        return "the access to data that its owner gave at Meta has ended"
    if not login.renewable and login.expires_ms is not None and login.expires_ms <= now_ms:
        return "its token has ended"
    return None


def _renewal(login: Login, now_ms: int) -> str | None:
    """Why it is to be renewed now."""
    if login.by_instagram and not login.renewable:
        return _by_itself(login, now_ms)
    if login.rotates and login.next_post_ms is not None and login.next_post_ms <= now_ms + AHEAD_MS:
        end_ms = login.expires_ms
        if end_ms is None or end_ms < login.next_post_ms + AFTER_MS:
            return "its token would end before its next post is out"
    if not login.rotates and login.expires_ms is not None and login.expires_ms <= now_ms + LAST_DAYS_MS:
        return _if_not_just_now(login, now_ms, "its token ends soon")
    return _if_not_just_now(login, now_ms, _half(login.issued_ms, login.refresh_expires_ms, now_ms))


def _by_itself(login: Login, now_ms: int) -> str | None:
    """Instagram: at least a day old, and not over."""
    if now_ms - login.issued_ms < OLD_ENOUGH_MS:
        return None
    if login.expires_ms is None:
        return "its end is not known"
    return _half(login.issued_ms, login.expires_ms, now_ms)


def _half(issued_ms: int, end_ms: int | None, now_ms: int) -> str | None:
    if end_ms is None:
        return None
    if now_ms >= issued_ms + (end_ms - issued_ms) // 2:
        return "half of its life is over"
    return "it ends soon" if now_ms >= end_ms - LAST_DAYS_MS else None


def _if_not_just_now(login: Login, now_ms: int, why: str | None) -> str | None:
    """Renewing may not move an end: then a day is between two attempts."""
    just_now = login.renewed_ms is not None and now_ms - login.renewed_ms < LEAST_MS
    return None if just_now else why


def _may_wait(login: Login, now_ms: int) -> bool:
    """A post is due in a moment, and its token lasts beyond the next time that this is asked."""
    if login.next_post_ms is None or login.next_post_ms > now_ms + STILL_MS:
        return False
    end_ms = login.expires_ms if login.rotates else login.end_ms
    if end_ms is None:
        return not login.rotates
    return end_ms > now_ms + EVERY_MS + 2 * STILL_MS


def _unseen(login: Login, now_ms: int, check_s: float) -> bool:
    seen_ms = login.checked_ms
    if seen_ms is None:
        return True
    every_ms = check_s * 1000 if login.next_post_ms is not None else max(check_s * 1000, IDLE_DAYS * _DAY)
    return now_ms - seen_ms >= every_ms
