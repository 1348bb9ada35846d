"""What an account may do is asked hours ahead: its authors learn of it, and nothing old stops a post."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.allowances import ASK_EVERY_S, TRUST_S
from schedulo.ledger.tables import accounts
from schedulo.platforms import AFTER, CONVERSATIONS, INQUIRIES
from schedulo.publishing.aftercare import Means
from schedulo.publishing.inquiries import ask_ahead
from tests.sandbox.meta.conftest import mp4
from tests.schedulo.planning.conftest import Office

HOURS_S = 6 * 3600.0
EVERYONE = "PUBLIC_TO_EVERYONE"
CLIENT = {"client_key": "ck", "client_secret": "cs"}


@pytest.fixture
def tiktok(office: Office) -> Office:
    may(office, "SELF_ONLY", EVERYONE)
    return office


def may(office: Office, *levels: str, **more: Any) -> None:
    """What the account's owner has set in the app."""
    account = {"account_id": "open-1", "username": "ann", "token": "token-open-1", "privacy_options": levels}
    office.sandbox.seed({"tiktok": {"clients": [CLIENT], "accounts": [account | more]}})


def plan(office: Office, due_in_s: float = HOURS_S, **cells: Any) -> None:
    account = office.account("open-1", "TikTok")
    post = office.post(account, due_in_s=due_in_s, **{"TikTok privacy": "Everyone"} | cells)
    office.attach(post, "clip.mp4", "video/mp4", mp4(3.2))
    office.tick()
    office.prepare()


def ask(office: Office) -> list[str]:
    stage = office.stage()
    parts = (office.ledger, stage.wire(), office.settings, CONVERSATIONS, AFTER, stage.media_url)
    return asyncio.run(ask_ahead(Means(*parts, patience_s=0.2), INQUIRIES))


def hours_go_by(office: Office, seconds: float) -> None:
    with office.ledger.begin() as connection:
        older = accounts.c.allowed_ms - int(seconds * 1000) - 1
        connection.execute(sa.update(accounts).values(allowed_ms=older))


def asked(office: Office) -> int:
    return sum(row["count"] for row in office.sandbox.requests() if row["route"] == "creator_info")


def test_what_the_account_does_not_allow_is_told_hours_before_and_taken_back_when_it_does(
    tiktok: Office,
) -> None:
    may(tiktok, "SELF_ONLY", "FOLLOWER_OF_CREATOR")
    plan(tiktok)
    assert tiktok.one().state == "scheduled"
    ask(tiktok)
    tiktok.tick()
    row = tiktok.one()
    assert (row.state, row.error_kind) == ("cancelled", "not_planned")
    assert "TikTok allows this account only Only me, Followers" in row.reason
    may(tiktok, "SELF_ONLY", EVERYONE)
    hours_go_by(tiktok, ASK_EVERY_S)
    ask(tiktok)
    tiktok.tick()
    assert tiktok.one().state == "scheduled"


def test_a_video_longer_than_the_account_may_post_is_told_hours_before(tiktok: Office) -> None:
    may(tiktok, EVERYONE, max_video_post_duration_sec=3)
    plan(tiktok)
    ask(tiktok)
    tiktok.tick()
    assert "TikTok takes 3 seconds from this account" in tiktok.one().reason


def test_what_stays_off_is_a_warning_and_stops_nothing(tiktok: Office) -> None:
    may(tiktok, EVERYONE, duet_disabled=True)
    plan(tiktok, **{"TikTok duet": True})
    ask(tiktok)
    tiktok.tick()
    assert tiktok.one().state == "scheduled"
    assert "duets" in tiktok.one().warnings


def test_an_account_is_asked_once_an_hour_and_only_with_posts_to_come(tiktok: Office) -> None:
    assert ask(tiktok) == []
    plan(tiktok)
    assert len(ask(tiktok)) == 1
    assert ask(tiktok) == []
    hours_go_by(tiktok, ASK_EVERY_S)
    assert len(ask(tiktok)) == 1
    assert asked(tiktok) == 2


@pytest.mark.parametrize("cells", [{"Format": "Draft to inbox"}, {"due_in_s": 48 * 3600.0}])
def test_nobody_asks_for_drafts_and_for_what_is_due_long_after(tiktok: Office, cells: dict[str, Any]) -> None:
    plan(tiktok, **cells)
    assert ask(tiktok) == []


def test_an_account_that_cannot_be_asked_stops_nothing_and_what_it_said_long_ago_is_forgotten(
    tiktok: Office,
) -> None:
    may(tiktok, "SELF_ONLY")
    plan(tiktok)
    ask(tiktok)
    tiktok.tick()
    assert tiktok.one().error_kind == "not_planned"
    tiktok.sandbox.fault(service="tiktok", route="creator_info", mode="status:401", times=-1)
    hours_go_by(tiktok, ASK_EVERY_S)
    assert "cannot be asked now" in ask(tiktok)[0]
    tiktok.tick()
    assert tiktok.one().error_kind == "not_planned"
    hours_go_by(tiktok, TRUST_S)
    ask(tiktok)
    tiktok.tick()
    assert tiktok.one().state == "scheduled"
