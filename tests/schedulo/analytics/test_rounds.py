"""What becomes of an account that cannot be read: again or not, when, and who is told."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics.asked import Part
from schedulo.analytics.closing import closed
from schedulo.analytics.rounds import Done, NotCollected, close_day, collect_part, day_is_late, failure_of
from schedulo.errors import Actor, Diagnosis, Kind, PlatformError
from schedulo.ledger.tables import accounts, incidents
from tests.schedulo.analytics.stand import Stand


def error(kind: Kind, **more: object) -> PlatformError:
    return PlatformError("instagram", Diagnosis(kind, refusal=True), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trouble", "again", "wait_s", "actor"),
    [
        (error(Kind.RATE_LIMITED, wait_s=130), True, 130, Actor.NOBODY),
        (error(Kind.RATE_LIMITED), True, 900, Actor.NOBODY),
        (error(Kind.PLATFORM_DOWN, status=503), True, None, Actor.OPERATOR),
        (error(Kind.NETWORK), True, None, Actor.OPERATOR),
        (error(Kind.RECONNECT), False, None, Actor.OWNER),
        (error(Kind.PERMISSION), False, None, Actor.OWNER),
        (TimeoutError(), True, None, Actor.OPERATOR),
        (KeyError("data"), True, None, Actor.OPERATOR),
    ],
)
def test_an_error_says_whether_asking_again_may_help(
    trouble: Exception, again: bool, wait_s: float | None, actor: Actor
) -> None:
    failure = failure_of(trouble)
    assert (failure.again, failure.wait_s, failure.actor) == (again, wait_s, actor)


def test_a_failure_is_told_without_a_word_of_posts_that_wait() -> None:
    refused = error(Kind.RATE_LIMITED, status=429, code="4", message="Application request limit reached")
    assert failure_of(refused).sentence == (
        "instagram could not be read: rate limited (429, 4, Application request limit reached)"
    )


# --- several accounts -------------------------------------------------------------------------------------

DAY = "2026-09-02"


def collect(stand: Stand, *keys: str) -> tuple[Done | None, NotCollected | None, list[str]]:
    """What a part came to, how it failed, and what it said."""
    lines: list[str] = []
    part = Part("x", keys, (DAY,))
    try:
        done = asyncio.run(collect_part(stand.means(), part, lines.append, lambda: stand.now_ms))
    except NotCollected as failed:
        return None, failed, lines
    return done, None, lines


def told(stand: Stand) -> list[Any]:
    query = sa.select(incidents).where(incidents.c.kind == "numbers").order_by(incidents.c.key)
    return list(stand.run(query))


@pytest.fixture
def three(stand: Stand) -> list[str]:
    """Three accounts with a post each, of which the second shows it to nobody any more."""
    keys = [
        stand.x_account("1"),
        stand.x_account("2", token="another"),
        stand.x_account("3"),
    ]
    for key in keys:
        stand.post(key, f"{DAY} 15:00")
    stand.go("2026-09-03 06:00")
    return keys


def test_an_account_that_fails_costs_the_others_nothing(stand: Stand, three: list[str]) -> None:
    _, failed, lines = collect(stand, *three)
    assert failed is not None
    assert "user2: X could not be read" in str(failed)
    assert "user1" not in str(failed)
    assert not failed.again
    assert [bool(stand.account_facts(key)[DAY].value) for key in (three[0], three[2])] == [True, True]
    assert [line for line in lines if line.startswith("x user2: X could not be read")]
    assert "2 posts" in lines[-1]


def test_who_must_act_is_told_until_the_account_can_be_read(stand: Stand, three: list[str]) -> None:
    collect(stand, *three)
    [told_of] = told(stand)
    assert (told_of.key, told_of.actor, told_of.closed_ms) == (f"numbers:{three[1]}", Actor.OWNER, None)
    assert "user2: X could not be read" in told_of.sentence
    stand.sandbox.seed({"x": {"accounts": [{"account_id": "2", "username": "user2", "token": "token-2"}]}})
    done, failed, _ = collect(stand, *three)
    assert failed is None
    assert done is not None
    assert done.posts == 1, "only what is missing was asked for"
    assert told(stand)[0].closed_ms == stand.now_ms


def test_what_may_pass_is_told_when_the_day_is_closed(stand: Stand, three: list[str]) -> None:
    stand.sandbox.fault(service="x", method="GET", route="posts", mode="status:429", times=20)
    _, failed, _ = collect(stand, three[0])
    assert failed is not None
    assert failed.again
    assert told(stand) == []
    with stand.ledger.read() as connection:
        day = closed(connection, date.fromisoformat(DAY), three[:1])
    close_day(stand.ledger, day, stand.now_ms)
    [told_of] = told(stand)
    assert (told_of.key, told_of.actor) == (f"numbers:{three[0]}", Actor.OPERATOR)
    assert "429" in told_of.sentence


def test_an_account_that_was_taken_out_while_it_failed_is_told_over(stand: Stand, three: list[str]) -> None:
    collect(stand, *three)
    for active, found in ((True, three[:1]), (False, three), (False, three[:1])):
        assert told(stand)[0].closed_ms is None
        stand.run(sa.update(accounts).where(accounts.c.key == three[1]).values(active=active))
        with stand.ledger.read() as connection:
            day = closed(connection, date.fromisoformat(DAY), found)
        close_day(stand.ledger, day, stand.now_ms)
    assert told(stand)[0].closed_ms == stand.now_ms


def test_a_day_that_is_late_is_told_once_until_it_is_closed(stand: Stand) -> None:
    key = stand.x_account("1")
    stand.go("2026-09-03 19:00")
    for _ in range(2):
        day_is_late(stand.ledger, DAY, "scheduled__1", 6, stand.now_ms)
    [told_of] = told(stand)
    assert (told_of.key, told_of.actor, told_of.closed_ms) == (f"numbers:day:{DAY}", Actor.OPERATOR, None)
    assert (
        told_of.sentence
        == f"the numbers of {DAY} are not collected 6 hours after the run scheduled__1 was made"
    )
    collect(stand, key)
    with stand.ledger.read() as connection:
        day = closed(connection, date.fromisoformat(DAY), [key])
    close_day(stand.ledger, day, stand.now_ms)
    assert told(stand)[0].closed_ms == stand.now_ms
