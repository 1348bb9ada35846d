"""What platforms allow is counted before a post is claimed."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import quotas
from schedulo.delivery.hurry import ask_now
from schedulo.delivery.quotas import Said, Window, hear
from schedulo.delivery.spending import cost_usd, month_ends_ms
from schedulo.ledger.tables import writes
from schedulo.limits import BY_NAME, Limit
from schedulo.model import Content, Format, Media, MediaKind, Platform, State
from schedulo.settings import Settings

from .conftest import Books

IG = "instagram:1"
DAY_S = 86_400
HOUR_MS = 3_600_000


def picture(number: int = 0) -> Media:
    return Media(f"{number:064}", MediaKind.IMAGE, "image/jpeg", 1000)


def content(format_: Format, files: int = 1, **more: Any) -> dict[str, Any]:
    return Content(format_, "hello", tuple(picture(n) for n in range(files)), **more).to_json()


IMAGE = content(Format.IMAGE)


def out(books: Books, account: str, ago_s: float, **values: Any) -> str:
    at_ms = books.now_ms - int(ago_s * 1000)
    instants = {"fire_ms": at_ms, "due_ms": at_ms, "sent_ms": at_ms, "accepted_ms": at_ms}
    return books.add(State.PUBLISHED, account, **{"content": IMAGE, **instants, **values})


def set_quotas(books: Books, text: str, **more: Any) -> None:
    books.settings = Settings(account_gap_s=0.0, quotas=text, **more)


# --- windows ----------------------------------------------------------------------------------------------


def limit(most: int, window_s: int = 60, *, accounts: bool = False) -> Window:
    found = Limit(Platform.X, "t", "posts", most, window_s, "", lambda _content: 1, accounts=accounts)
    return Window(found, most)


def test_what_is_given_away_never_exceeds_a_window_wherever_it_begins() -> None:
    dice = random.Random(7)
    for _ in range(30):
        most, length = dice.randint(1, 6), 60_000
        window, taken = limit(most), []
        for _ in range(25):
            wished, weight = dice.randint(0, 200_000), dice.randint(1, most)
            at = window.earliest(wished, weight, "x:1")
            assert at >= wished
            window.add(at, weight, "x:1")
            taken += [at] * weight
        for end in taken:
            assert sum(end - length < at <= end for at in taken) <= most


def test_nobody_waits_who_fits_and_who_waits_does_so_until_the_oldest_has_left() -> None:
    window = limit(2)
    window.add(0, 1, "x:1")
    assert window.earliest(10_000, 1, "x:1") == 10_000
    window.add(10_000, 1, "x:1")
    assert window.earliest(59_000, 1, "x:1") == 60_000 + quotas.MARGIN_MS
    assert window.earliest(59_000, 2, "x:1") == 70_000 + quotas.MARGIN_MS


def test_of_a_limit_on_accounts_one_that_counts_already_may_go_on() -> None:
    window = limit(2, accounts=True)
    window.add(0, 1, "tiktok:1")
    window.add(20_000, 1, "tiktok:2")
    assert window.earliest(30_000, 1, "tiktok:1") == 30_000
    assert window.earliest(30_000, 1, "tiktok:3") == 60_000 + quotas.MARGIN_MS


# --- claims -----------------------------------------------------------------------------------------------


def test_a_post_beyond_the_limit_is_not_claimed_and_waits_for_the_window_with_the_reason(
    books: Books,
) -> None:
    set_quotas(books, "instagram.posts=3")
    out(books, IG, DAY_S - 600)
    for hours in (5, 2):
        out(books, IG, hours * 3600)
    late = {"content": IMAGE, "not_after_ms": books.now_ms + 2 * DAY_S * 1000}
    waiting, next_one = books.add(account=IG, **late), books.add(account=IG, **late)
    other = books.add(account="instagram:2", **late)
    assert books.claim("run") == [other]
    row = books.row(waiting)
    assert row.state == State.SCHEDULED
    assert row.fire_ms == books.now_ms + 600_000 + quotas.MARGIN_MS
    assert "waits until 08:10:02 UTC: @1 has used 3 of 3 posts of Instagram within 24 hours" in row.reason
    assert books.row(next_one).fire_ms == books.now_ms + (DAY_S - 5 * 3600) * 1000 + quotas.MARGIN_MS
    assert row.reason in books.story(waiting)
    assert set(books.told()) >= {waiting, next_one}, "Airtable is told"
    books.pass_s(590)
    assert books.claim("later") == [waiting]


def test_a_post_that_waits_too_long_says_that_it_will_be_missed(books: Books) -> None:
    set_quotas(books, "instagram.posts=1")
    out(books, IG, 60)
    waiting = books.add(account=IG, content=IMAGE)
    assert books.claim("run") == []
    assert "too late for it: it becomes missed" in books.row(waiting).reason


def test_what_is_claimed_counts_and_what_is_given_up_counts_no_longer(books: Books) -> None:
    set_quotas(books, "instagram.posts=1")
    first = books.add(account=IG, content=IMAGE)
    assert books.claim("one") == [first]
    second = books.add(account=IG, content=IMAGE)
    assert books.claim("two") == []
    books.change(first, state=State.CANCELLED)
    books.change(second, fire_ms=books.now_ms)
    assert books.claim("three") == [second]


def test_a_post_whose_outcome_is_not_known_counts(books: Books) -> None:
    set_quotas(books, "instagram.posts=1")
    books.unknown(account=IG, content=IMAGE)
    waiting = books.add(account=IG, content=IMAGE)
    assert waiting not in books.claim("run")


def test_twenty_five_of_thirty_go_out_today_and_the_others_at_instants_of_their_own(books: Books) -> None:
    set_quotas(books, "instagram.posts=25")
    ids = [
        books.add(account=IG, content=IMAGE, fire_ms=books.now_ms + n * 1000, due_ms=books.now_ms + n * 1000)
        for n in range(30)
    ]
    assert books.claim("run") == ids[:25]
    waiting = [books.row(id_).fire_ms for id_ in ids[25:]]
    assert waiting == [books.now_ms + (DAY_S + n) * 1000 + quotas.MARGIN_MS for n in range(5)]


def test_posts_that_wait_for_a_quota_keep_nobody_elses_from_their_second(books: Books) -> None:
    books.settings = Settings(account_gap_s=0.0, quotas="instagram.posts=1", max_claims=4)
    at_ms = books.now_ms + 60_000
    full = [books.add(account=IG, content=IMAGE, due_ms=at_ms, fire_ms=at_ms) for _ in range(12)]
    others = [books.add(account=f"x:{n}", due_ms=at_ms, fire_ms=at_ms) for n in range(3)]
    assert set(books.claim("run-1")) == {full[0], *others}
    assert [books.row(id_).fire_ms for id_ in others] == [at_ms] * 3


def test_containers_parts_reels_and_pictures_are_counted_as_their_platforms_do(books: Books) -> None:
    set_quotas(books, "instagram.containers=8, x.posts=5, facebook.reels=1")
    wide = content(Format.CAROUSEL, files=6)
    first, second = (books.add(account=IG, content=wide) for _ in range(2))
    thread = [books.add(account="x:1", content=content(Format.TEXT, 0, thread=("a", "b"))) for _ in range(2)]
    reels = [books.add(account="facebook:1", content=content(Format.REEL)) for _ in range(2)]
    photo = books.add(account="facebook:1", content=IMAGE)
    pictures = [books.add(account="tiktok:1", content=content(Format.IMAGES, 2)) for _ in range(7)]
    claimed = set(books.claim("run"))
    assert claimed >= {first, thread[0], reels[0], photo}
    assert not claimed & {second, thread[1], reels[1]}
    assert claimed >= set(pictures), "the last goes out within this run, a minute later"
    last = max(pictures, key=lambda id_: books.row(id_).fire_ms)
    assert books.row(last).fire_ms == books.now_ms + 60_000 + quotas.MARGIN_MS
    assert "has used 6 of 6 posts of pictures of TikTok within a minute" in books.story(last)


def test_our_app_as_a_whole_has_limits_too(books: Books) -> None:
    set_quotas(books, "x.app_day=2, tiktok.creators=1")
    found = [books.add(account=f"x:{n}") for n in range(3)]
    creators = [books.add(account=f"tiktok:{n}", content=content(Format.VIDEO)) for n in (1, 1, 2)]
    claimed = books.claim("run")
    assert set(claimed) == {*found[:2], *creators[:2]}
    assert "our app has used 2 of 2 posts of X within 24 hours" in books.row(found[2]).reason
    assert "our app has used 1 of 1 accounts of TikTok within 24 hours" in books.row(creators[2]).reason


def test_what_a_platform_told_counts_before_what_its_pages_say(books: Books) -> None:
    set_quotas(books, "")
    books.account(IG)
    books.do(hear, [Said(IG, "posts", 1, 0)])
    ids = [books.add(account=IG, content=IMAGE) for _ in range(2)]
    assert books.claim("run") == ids[:1]
    books.pass_s(8 * DAY_S)
    with books.ledger.begin() as connection:
        assert quotas.said(connection, books.now_ms, [IG]) == {}, "what was told long ago counts no longer"


@pytest.mark.parametrize(
    ("told", "set_", "counts"),
    [
        (None, None, (100, "pages")),
        (50, None, (50, "told")),
        (50, 80, (50, "told")),
        (50, 17, (17, "set")),
        (40_000, None, (100, "pages")),  # X shows such numbers where another header is the bound
        (50, 0, (0, "set")),
    ],
)
def test_of_two_numbers_the_smaller_counts(
    told: int | None, set_: int | None, counts: tuple[int, str]
) -> None:
    x_posts = BY_NAME["x.posts"]
    chosen = {} if set_ is None else {"x.posts": set_}
    assert quotas.bound(x_posts, None if told is None else Said("x:1", "posts", told, 3), chosen) == counts


def test_a_limit_that_a_platform_says_is_spent_is_waited_for_whoever_spent_it(books: Books) -> None:
    set_quotas(books, "")
    books.account("x:1")
    resets_ms = books.now_ms + 400_000
    books.do(hear, [Said("x:1", "posts", 100, 100, resets_ms)])
    waiting, other = books.add(account="x:1"), books.add(account="x:2")
    assert books.claim("run") == [other]
    assert books.row(waiting).fire_ms == resets_ms + quotas.MARGIN_MS
    assert "@1 has used 100 of 100 posts of X within 15 minutes" in books.row(waiting).reason


def test_who_asks_for_a_post_now_is_told_that_its_account_is_full_and_when_it_could_go(books: Books) -> None:
    set_quotas(books, "instagram.posts=2")
    out(books, IG, DAY_S - 3600)
    first, second = books.add(account=IG, content=IMAGE), books.add(account=IG, content=IMAGE)
    asked = books.do(ask_now, "now", [f"rec-{first}", f"rec-{second}"], [], books.settings)
    assert [item.taken for item in asked] == [True, False]
    assert asked[1].sentence == (
        "it cannot be published now: @1 has used 2 of 2 posts of Instagram within 24 hours; "
        "it could go out at 09:00:02 UTC"
    )
    assert books.row(second).state == State.SCHEDULED


# --- money ------------------------------------------------------------------------------------------------


def test_a_link_costs_thirteen_times_a_post_and_each_medium_one_more() -> None:
    assert cost_usd(content(Format.TEXT, 0)) == 0.015
    assert cost_usd(content(Format.LINK, 0, link="https://example.com/a")) == 0.20
    assert cost_usd(content(Format.IMAGES, 3)) == pytest.approx(0.060)
    assert cost_usd(content(Format.TEXT, 0, thread=("see example.com", "b"))) == pytest.approx(0.230)


def test_beyond_the_budget_posts_on_x_wait_for_the_next_month(books: Books) -> None:
    set_quotas(books, "", x_budget_usd=0.04)
    id_, write_id = books.sent(account="x:1")
    assert books.run(sa.select(writes.c.id)) == [(write_id,)]
    second, third = books.add(account="x:2"), books.add(account="x:3")
    other = books.add(account=IG, content=IMAGE)
    assert set(books.claim("run")) == {second, other}
    row = books.row(third)
    assert row.fire_ms == month_ends_ms(books.now_ms)
    assert "the budget of 0.04 USD for X in January is used up (0.03 spent" in row.reason
    assert books.row(id_).state == State.SENDING


def test_what_other_accounts_have_claimed_counts_for_the_budget_and_what_waits_for_next_month_does_not(
    books: Books,
) -> None:
    set_quotas(books, "", x_budget_usd=0.04)
    first = books.add(account="x:1")
    assert books.claim("run-1") == [first]
    dear = books.add(account="x:2", content=content(Format.LINK, 0, link="https://example.com/a"))
    assert books.claim("run-2") == []
    cheap, beyond = books.add(account="x:2"), books.add(account="x:3")
    assert books.claim("run-3") == [cheap]
    assert [books.row(id_).fire_ms for id_ in (dear, beyond)] == [month_ends_ms(books.now_ms)] * 2


@pytest.mark.parametrize(
    ("limits", "budget"), [("x.app_day=1, x.posts=0", 0.0), ("", 0.02)], ids=["the app's day", "the budget"]
)
def test_two_claims_at_the_same_time_share_what_our_app_has_left(
    books: Books, limits: str, budget: float
) -> None:
    """One of them has read what is left, and not said yet what it takes."""
    set_quotas(books, limits, x_budget_usd=budget)
    first, second = books.add(account="x:1"), books.add(account="x:2")
    asked: list[list[str]] = []

    def ask() -> None:
        with books.ledger.begin() as connection:
            answers = ask_now(connection, books.now_ms, "run-2", [f"rec-{second}"], [], books.settings)
            asked.append([answer.label for answer in answers if answer.taken])

    other = threading.Thread(target=ask)
    with books.ledger.begin() as connection:
        (taken,) = ask_now(connection, books.now_ms, "run-1", [f"rec-{first}"], [], books.settings)
        assert taken.taken
        other.start()
        other.join(0.3)
        assert other.is_alive(), "it waits for the first one"
    other.join(30)
    assert asked == [[]]
    assert [books.row(id_).state for id_ in (first, second)] == [State.CLAIMED, State.SCHEDULED]


def test_a_budget_that_only_warns_holds_nothing(books: Books) -> None:
    set_quotas(books, "", x_budget_usd=0.01, x_budget_full="go")
    post = books.add(account="x:1")
    assert books.claim("run") == [post]
