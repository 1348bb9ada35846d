"""The collector, against the stand-ins of Instagram and Facebook: days of an account's own, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.holds import set_hold
from schedulo.errors import Kind, PlatformError
from schedulo.ledger.tables import deliveries, writes
from schedulo.model import Format, State
from tests.schedulo.analytics.stand import Stand, delivery, instant

PAGE = "facebook:100000000000001"


def instagram(stand: Stand, zone: str = "Asia/Tokyo", **more: Any) -> str:
    """An account with Facebook Login, to which all metrics are told, and its Page."""
    about = {"username": "anna", "flavour": "facebook_login", "timezone": zone, "token": "token-7"}
    stand.sandbox.seed({"instagram": {"accounts": [{"account_id": "7", **about, **more}]}})
    return stand.account("instagram", "7", zone, login="facebook_login")


def page(stand: Stand, zone: str = "UTC") -> str:
    page_id = PAGE.partition(":")[2]
    row = {"page_id": page_id, "name": "Cafe", "page_token": f"token-{page_id}"}
    stand.sandbox.seed({"facebook": {"pages": [row]}})
    return stand.account("facebook", page_id, zone)


def page_post(stand: Stand, at: str, format_: Format, kind: str, number: int = 1) -> str:
    """A post of the Page; of a video the ledger knows what its commit came to."""
    post_id, video_id = f"{PAGE.partition(':')[2]}_{number}", f"1230000000000{number}"
    row = {"account_id": PAGE.partition(":")[2], "post_id": post_id, "kind": kind, "video_id": video_id}
    stand.sandbox.seed({"facebook": {"posts": [row | {"published_at": instant(at)}]}})
    values = delivery(f"f{number}", PAGE, instant(at), format_, post_id)
    with stand.ledger.begin() as connection:
        connection.execute(sa.insert(deliveries), [values])
        connection.execute(
            sa.insert(writes).values(
                id=f"w{number}",
                delivery_id=f"f{number}",
                name="post",
                state="accepted",
                fence=1,
                holder="somebody",
                request={},
                snapshot={},
                live=False,
                position="only",
                opened_ms=0,
                sending_until_ms=0,
                value=video_id if kind in ("video", "reel") else post_id,
            )
        )
    return f"f{number}"


def of_day(facts: Mapping[str, Any], date: str) -> tuple[Any, str]:
    return facts[date].value, facts[date].availability


def test_an_instagram_day_ends_with_its_accounts_own_midnight(stand: Stand) -> None:
    key = instagram(stand)
    id_ = stand.post(key, "2026-09-02 03:00", Format.REEL)
    stand.go("2026-09-02 16:00")  # an hour after midnight in Tokyo
    found = stand.collect(key, "2026-09-02")
    assert (found.posts, found.calls) == (1, 3), found.lines
    assert of_day(stand.facts(id_), "2026-09-02") == (stand.true(id_, "views"), "measured")
    of_account = {
        row["metric"]: row["value"]
        for row in stand.sandbox.numbers(instant("2026-09-02 03:00"))
        if row["account_id"] == "7" and row.get("date") == "2026-09-02"
    }
    for metric in ("views", "reach", "saves", "total_interactions"):
        assert of_day(stand.account_facts(key, metric), "2026-09-02") == (of_account[metric], "measured")


def test_numbers_leave_half_of_metas_calls_to_publishing_and_go_on_when_there_are_more(stand: Stand) -> None:
    key = instagram(stand, zone="UTC")
    stand.posts(key, [f"2026-09-02 08:{minute}" for minute in range(10, 50)], Format.IMAGE)
    stand.settings = replace(stand.settings, analytics_parallel=1)
    stand.sandbox.switch(meta_calls_per_hour="50")
    stand.go("2026-09-03 00:30")
    with pytest.raises(PlatformError) as spared:
        stand.collect(key, "2026-09-02")
    assert spared.value.kind is Kind.RATE_LIMITED
    assert "numbers wait, so that posts go out" in spared.value.while_reading()
    query = sa.select(stand.house.collections.c.calls).order_by(stand.house.collections.c.started_at)
    assert 25 <= stand.run(query)[0].calls < 40
    stand.go("2026-09-03 01:30")
    found = stand.collect(key, "2026-09-02")
    assert found.posts < 40
    posts = stand.house.post_metrics_daily
    measured = sa.select(posts).where(posts.c.metric == "views", posts.c.value.is_not(None))
    assert len(stand.run(measured)) == 40


def test_while_posts_wait_for_a_limit_that_is_metas_nothing_is_asked(stand: Stand) -> None:
    key, other = instagram(stand, zone="UTC"), stand.x_account()
    for account, format_ in ((key, Format.IMAGE), (other, Format.TEXT)):
        stand.post(account, "2026-09-02 15:00", format_)
    stand.go("2026-09-03 01:00")
    for account in (key, other):
        with stand.ledger.begin() as connection:
            until_ms = stand.now_ms + 600_000
            about = ("account", account, "slow down", "schedulo", until_ms, "rate_limited")
            set_hold(connection, stand.now_ms, *about)
    with pytest.raises(PlatformError) as limited:
        stand.collect(key, "2026-09-02")
    assert (limited.value.kind, limited.value.wait_s) == (Kind.RATE_LIMITED, 600)
    assert stand.run(sa.select(stand.house.collections.c.calls))[0].calls == 0
    assert stand.collect(other, "2026-09-02").posts == 1  # X counts reading for itself
    stand.go("2026-09-03 01:11")
    assert stand.collect(key, "2026-09-02").posts == 1


def test_a_metric_that_meta_retires_is_missing_alone_and_tried_again_another_day(stand: Stand) -> None:
    key = instagram(stand, zone="UTC")
    ids = stand.posts(key, ["2026-09-02 08:00", "2026-09-02 09:00", "2026-09-02 10:00"], Format.IMAGE)
    for day in (2, 3, 4, 5):
        retired = "saved" if day in (3, 4) else ""
        stand.sandbox.switch(meta_retired_metrics=retired)
        stand.go(f"2026-09-0{day + 1} 00:30")
        stand.collect(key, f"2026-09-0{day}")
    for id_ in ids:
        saves, views = stand.facts(id_, "saves"), stand.facts(id_)
        assert [row.availability for row in saves.values()] == ["measured", "retired", "retired", "measured"]
        assert [row.availability for row in views.values()] == ["measured"] * 4
        assert [row.value is None for row in saves.values()] == [False, True, True, False]
        assert "saved" in saves["2026-09-03"].reason
        assert saves["2026-09-05"].delta == saves["2026-09-05"].value - saves["2026-09-02"].value


def test_a_days_number_of_meta_that_comes_late_is_collected_later(stand: Stand) -> None:
    key = instagram(stand, zone="UTC")
    stand.post(key, "2026-09-02 08:00", Format.IMAGE)
    stand.sandbox.switch(meta_insights_lag_h="24")
    for now, on in (("2026-09-03 00:30", "2026-09-02"), ("2026-09-04 00:30", "2026-09-03")):
        stand.go(now)
        stand.collect(key, on)
        if on == "2026-09-02":
            assert of_day(stand.account_facts(key, "views"), "2026-09-02") == (None, "not_yet")
    views = stand.account_facts(key, "views")
    assert [row.availability for row in views.values()] == ["measured", "not_yet"]


def test_a_page_is_collected_with_its_videos_by_the_ids_that_the_ledger_knows(stand: Stand) -> None:
    key = page(stand)
    text = page_post(stand, "2026-09-02 08:00", Format.TEXT, "feed")
    reel = page_post(stand, "2026-09-02 08:00", Format.REEL, "reel", 2)
    stand.go("2026-09-03 12:30")
    found = stand.collect(key, "2026-09-02")
    # One each for the posts, one for how the Page stands, one for its day.
    assert (found.posts, found.calls) == (2, 4), found.lines
    assert of_day(stand.facts(text), "2026-09-02") == (stand.true(text, "post_media_view"), "measured")
    assert of_day(stand.facts(reel), "2026-09-02") == (stand.true(reel, "fb_reels_total_plays"), "measured")
    assert of_day(stand.account_facts(key, "views"), "2026-09-02")[1] == "measured"


def test_an_account_whose_login_ended_raises_and_what_was_measured_stays(stand: Stand) -> None:
    key = instagram(stand, zone="UTC")
    id_ = stand.post(key, "2026-09-02 08:00", Format.IMAGE)
    stand.go("2026-09-03 00:30")
    stand.collect(key, "2026-09-02")
    before = stand.facts(id_)["2026-09-02"]
    stand.go("2026-09-04 00:30")
    stand.sandbox.fault(service="facebook", route="*", mode="expire_token")
    with pytest.raises(PlatformError) as error:
        stand.collect(key, "2026-09-03")
    assert error.value.kind is Kind.TOKEN_EXPIRED
    assert stand.facts(id_)["2026-09-02"] == before


def test_a_day_whose_numbers_were_still_to_be_told_stays_so_when_the_post_is_found_gone_later(
    stand: Stand,
) -> None:
    key = page(stand)
    stand.sandbox.switch(meta_insights_lag_h="48")
    id_ = page_post(stand, "2026-09-02 18:00", Format.IMAGE, "photo")
    for time in ("2026-09-03 01:00", "2026-09-03 13:00"):
        stand.go(time)
        stand.collect(key, "2026-09-02")
    stand.go("2026-09-04 04:00")
    stand.sandbox.remove("facebook", stand.remote(id_))
    stand.collect(key, "2026-09-03")
    before = stand.facts(id_)
    stand.change(id_, state=State.TAKEN_DOWN, removed_ms=stand.now_ms)  # a person says so as well
    stand.go("2026-11-01 01:00")
    stand.collect(key, "2026-09-02")
    assert stand.facts(id_) == before
    assert [row.availability for row in before.values()] == ["not_yet", "gone"]
