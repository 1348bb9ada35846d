"""When a login is renewed, checked or given up, by platform and time."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, credentials, deliveries
from schedulo.model import Account, Platform
from schedulo.tokens.due import Action, due, stirs
from schedulo.tokens.logins import Login, logins
from schedulo.tokens.telling import stage

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_800_000_000_000
CHECK_S = 86_400.0


def login(platform: Platform, flavour: str = "", **known: Any) -> Login:
    options = {"login": flavour} if flavour else {}
    values: dict[str, Any] = {
        "account": Account(platform, "1", "anna", options=options),
        "active": True,
        "serial": 1,
        "renewable": platform in (Platform.X, Platform.TIKTOK),
        "issued_ms": NOW - HOUR,
        "renewed_ms": None,
        "checked_ms": NOW,
        "expires_ms": None,
        "refresh_expires_ms": None,
        "data_access_ms": None,
        "scopes": None,
        "problem": "",
        "warned_days": None,
        "warned_end_ms": None,
        "next_post_ms": None,
        "dead": False,
    }
    return Login(**values | known)


def what(one: Login, now_ms: int = NOW) -> Action | None:
    found = due(one, now_ms, CHECK_S)
    return found and found.action


# --- X and TikTok -----------------------------------------------------------------------------------------

ROTATING = pytest.mark.parametrize("platform", [Platform.X, Platform.TIKTOK])


@ROTATING
def test_a_token_of_hours_is_renewed_when_a_post_comes_near_and_not_before(platform: Platform) -> None:
    ended = {"expires_ms": NOW - HOUR}
    assert what(login(platform, **ended)) is None
    assert what(login(platform, **ended, next_post_ms=NOW + 91 * MINUTE)) is None
    assert what(login(platform, **ended, next_post_ms=NOW + 90 * MINUTE)) is Action.RENEW
    assert what(login(platform, next_post_ms=NOW + 10 * MINUTE)) is Action.RENEW, "its end is not known"


@ROTATING
def test_a_token_that_outlives_its_next_post_is_left_alone(platform: Platform) -> None:
    post = NOW + 60 * MINUTE
    assert what(login(platform, expires_ms=post + 30 * MINUTE, next_post_ms=post)) is None
    assert what(login(platform, expires_ms=post + 29 * MINUTE, next_post_ms=post)) is Action.RENEW


@ROTATING
def test_a_token_of_two_hours_serves_every_post_before_it_is_looked_at_again(platform: Platform) -> None:
    """Hourly runs: whatever minute a post is due at, some run before it leaves a token that lasts."""
    for minute in range(180):
        post, expires = NOW + minute * MINUTE, NOW - 1
        for hour in range(minute // 60 + 1):
            at = NOW + hour * HOUR
            if at > post:
                break
            one = login(platform, expires_ms=expires, next_post_ms=post)
            if what(one, at) is Action.RENEW:
                expires = at + 2 * HOUR
        assert expires >= post + 30 * MINUTE, f"a post {minute} minutes from now"


@ROTATING
def test_just_before_a_post_nothing_is_renewed_that_can_wait(platform: Platform) -> None:
    soon = {"next_post_ms": NOW + 4 * MINUTE, "checked_ms": NOW - 8 * DAY}
    assert what(login(platform, **soon, expires_ms=NOW + 2 * HOUR)) is None
    assert what(login(platform, **soon, expires_ms=NOW + HOUR)) is Action.RENEW, "the next run is too late"


def test_a_refresh_token_is_renewed_when_half_of_its_life_is_over() -> None:
    life = {"issued_ms": NOW, "refresh_expires_ms": NOW + 180 * DAY, "checked_ms": NOW + 200 * DAY}
    one = login(Platform.TIKTOK, **life)
    assert what(one, NOW + 90 * DAY - 1) is None
    assert what(one, NOW + 90 * DAY) is Action.RENEW


def test_a_refresh_token_whose_end_does_not_move_is_renewed_once_a_day_only() -> None:
    life = {"issued_ms": NOW - 100 * DAY, "refresh_expires_ms": NOW + 20 * DAY}
    assert what(login(Platform.TIKTOK, **life, renewed_ms=NOW - DAY + 1)) is None
    assert what(login(Platform.TIKTOK, **life, renewed_ms=NOW - DAY)) is Action.RENEW


@ROTATING
def test_a_login_is_looked_at_daily_with_posts_to_come_and_weekly_without(platform: Platform) -> None:
    planned = {"next_post_ms": NOW + 40 * HOUR}
    assert what(login(platform, checked_ms=NOW - DAY + 1, **planned)) is None
    assert what(login(platform, checked_ms=NOW - DAY, **planned)) is Action.RENEW
    assert what(login(platform, checked_ms=NOW - 7 * DAY + 1)) is None
    assert what(login(platform, checked_ms=NOW - 7 * DAY)) is Action.RENEW
    assert due(login(platform, checked_ms=None), NOW, 0) is None, "switched off"


def test_without_a_refresh_token_a_login_of_x_is_checked_and_then_given_up() -> None:
    one = {"renewable": False, "expires_ms": NOW + HOUR}
    assert what(login(Platform.X, **one, checked_ms=None)) is Action.CHECK
    assert what(login(Platform.X, renewable=False, expires_ms=NOW)) is Action.HOLD


# --- Meta -------------------------------------------------------------------------------------------------


def test_instagrams_login_is_renewed_at_half_its_life_and_never_before_it_is_a_day_old() -> None:
    life = {"issued_ms": NOW, "expires_ms": NOW + 60 * DAY, "checked_ms": NOW + 90 * DAY}
    one = login(Platform.INSTAGRAM, "instagram_login", **life)
    assert what(one, NOW + 30 * DAY - 1) is None
    assert what(one, NOW + 30 * DAY) is Action.RENEW
    short = login(Platform.INSTAGRAM, "instagram_login", **life | {"expires_ms": NOW + 25 * HOUR})
    assert what(short, NOW + 24 * HOUR) is None, "Meta refuses a younger one"
    assert what(short, NOW + 24 * HOUR + MINUTE) is Action.RENEW
    assert what(short, NOW + 25 * HOUR) is Action.HOLD


def test_an_instagram_login_whose_end_nobody_told_is_renewed_as_soon_as_it_may() -> None:
    one = login(Platform.INSTAGRAM, "instagram_login", issued_ms=NOW, checked_ms=NOW + DAY)
    assert what(one, NOW + 23 * HOUR) is None
    assert what(one, NOW + 24 * HOUR + MINUTE) is Action.RENEW


@pytest.mark.parametrize(
    ("platform", "flavour"), [(Platform.FACEBOOK, ""), (Platform.INSTAGRAM, "facebook_login")]
)
def test_a_pages_token_is_checked_daily_and_the_earlier_of_its_ends_counts(
    platform: Platform, flavour: str
) -> None:
    assert what(login(platform, flavour)) is None, "it has no end"
    post = NOW + DAY
    assert what(login(platform, flavour, checked_ms=NOW - DAY, next_post_ms=post)) is Action.CHECK
    assert what(login(platform, flavour, data_access_ms=NOW)) is Action.HOLD
    assert what(login(platform, flavour, expires_ms=NOW, data_access_ms=NOW + DAY)) is Action.HOLD
    one = login(platform, flavour, expires_ms=NOW + 9 * DAY, data_access_ms=NOW + 5 * DAY)
    assert one.end_ms == NOW + 5 * DAY


def test_a_persons_token_makes_a_new_one_for_the_page_but_no_access_to_data() -> None:
    user = {"renewable": True, "issued_ms": NOW - 30 * DAY, "refresh_expires_ms": NOW + 30 * DAY}
    assert what(login(Platform.FACEBOOK, **user)) is Action.RENEW
    assert what(login(Platform.FACEBOOK, renewable=True, expires_ms=NOW - 1)) is Action.RENEW
    assert what(login(Platform.FACEBOOK, **user, data_access_ms=NOW)) is Action.HOLD


# --- everywhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", list(Platform))
def test_a_dead_login_is_left_to_its_owner(platform: Platform) -> None:
    worst = {"expires_ms": NOW - DAY, "checked_ms": None, "next_post_ms": NOW + HOUR}
    assert what(login(platform, "instagram_login", dead=True, **worst)) is None


def test_an_account_that_is_not_active_is_kept_alive_and_not_looked_at() -> None:
    off = {"active": False, "checked_ms": None}
    assert what(login(Platform.FACEBOOK, **off)) is None
    half = {"issued_ms": NOW - 30 * DAY, "expires_ms": NOW + 30 * DAY}
    assert what(login(Platform.INSTAGRAM, "instagram_login", **off, **half)) is Action.RENEW


# --- those that sleep -------------------------------------------------------------------------------------


def test_no_login_sleeps_while_something_is_due_for_it(ledger: Ledger) -> None:
    """What SQL leaves out is asked one by one here: of thousands of logins of all kinds, none was wanted."""
    chance = random.Random(5)

    def instant(*days: float) -> int | None:
        if chance.random() < 0.3:
            return None
        around = chance.uniform(-2, 2) * chance.choice((MINUTE, HOUR, DAY))
        return int(NOW + chance.choice(days) * DAY + around)

    known, kept, posts = [], [], []
    for number in range(3000):
        platform = chance.choice(list(Platform))
        key = f"{platform}:{number}"
        options = {"login": chance.choice(("instagram_login", "facebook_login"))}
        known.append(
            {"key": key, "platform": platform, "account_id": str(number), "name": "", "updated_ms": 0}
            | {"options": options if platform is Platform.INSTAGRAM else {}}
            | {"active": chance.random() < 0.8}
        )
        obtained = instant(-100, -30, -10, -1) or NOW
        kept.append(
            {"account_key": key, "secret": "", "updated_ms": obtained, "obtained_ms": obtained}
            | {"renewable": chance.random() < 0.5, "refreshed_ms": instant(-90, -30, -1, 0)}
            | {"checked_ms": instant(-8, -7, -1, -0.5), "expires_ms": instant(0, 0.1, 1, 7, 14, 30, 60)}
            | {"refresh_expires_ms": instant(0, 7, 14, 90, 180), "data_access_ms": instant(0, 14, 60, 90)}
        )
        if fire_ms := instant(0, 0.05, 1, 2):
            posts.append((key, fire_ms))
    with ledger.begin() as connection:
        connection.execute(sa.insert(accounts), known)
        connection.execute(sa.insert(credentials), kept)
        same = {"platform": "x", "content": {}, "state": "scheduled", "content_hash": "", "seen_ms": 0}
        rows = [
            {"id": str(number), "post_id": str(number), "account_key": key, "updated_ms": 0, **same}
            | {"due_ms": fire_ms, "fire_ms": fire_ms, "not_after_ms": fire_ms + HOUR}
            for number, (key, fire_ms) in enumerate(posts)
        ]
        connection.execute(sa.insert(deliveries), rows)
        every = logins(connection, NOW)
        awake = {one.key for one in logins(connection, NOW, (), stirs(NOW, CHECK_S))}
    wanted = {
        one.key
        for one in every
        if due(one, NOW, CHECK_S) or (one.end_ms is not None and stage(one.end_ms, NOW) is not None)
    }
    assert len(every) == 3000
    assert wanted - awake == set()
    assert len(awake) < 3000
    assert len(wanted) > 1000
