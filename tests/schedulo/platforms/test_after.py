"""Posts that are out: what each platform is asked, and what its answers mean, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError, Strategy
from schedulo.flow import Commit, Job, Response
from schedulo.model import Account, Content, Format, Platform
from schedulo.platforms import AFTER
from schedulo.platforms.after import Ended, Out, Presence
from tests.schedulo.platforms.flows import answer, run_flow

OPTIONS = {"meta_version": "v25.0"}
TEXT = Content(Format.TEXT, "hello")
PUBLIC = Content(Format.VIDEO, "hello", options={"privacy_level": "PUBLIC_TO_EVERYONE"})
MISSING = {
    "type": "https://api.x.com/2/problems/resource-not-found",
    "resource_id": "2",
    "title": "Not Found",
}
UNREADABLE = {"error": {"code": 100, "error_subcode": 33, "message": "no such object"}}


def job(platform: Platform, content: Content = TEXT, **options: Any) -> Job:
    return Job(Account(platform, "1", "anna", options=options), content, lambda _media: None, OPTIONS)


def out(post_id: str = "1", content: Content = TEXT, **more: Any) -> Out:
    return Out(f"d{post_id}", post_id, content, 1_800_000_000_000, **more)


def take_down(platform: Platform, *answers: Response, post: Out | None = None, **options: Any) -> Any:
    return run_flow(AFTER[platform].take_down(job(platform, **options), post or out()), answers)[0]


def look(platform: Platform, *answers: Response, posts: list[Out] | None = None, **options: Any) -> Any:
    posts = posts or [out("1"), out("2")]
    return run_flow(AFTER[platform].look(job(platform, **options), posts), answers)[0]


# X


@pytest.mark.parametrize(
    "said",
    [
        answer({"data": {"deleted": True}}),
        answer(status=204),
        answer({"title": "Not Found", "type": "about:blank"}, 404),
        answer({"errors": [MISSING]}, 404),
    ],
)
def test_x_says_in_four_ways_that_a_post_is_gone(said: Response) -> None:
    assert take_down(Platform.X, said) == Ended()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (answer({"data": {"deleted": False}}), Kind.PLATFORM_DOWN),
        (answer(b"<html>not found</html>", 404), Kind.NOT_UNDERSTOOD),
        (answer({"title": "Forbidden"}, 403), Kind.PERMISSION),
        (answer({"title": "Too Many Requests"}, 429), Kind.RATE_LIMITED),
        (answer(b"", 503), Kind.PLATFORM_DOWN),
    ],
)
def test_nothing_else_does(said: Response, kind: Kind) -> None:
    with pytest.raises(PlatformError) as error:
        take_down(Platform.X, said)
    assert error.value.kind is kind


def test_a_part_that_x_never_named_is_said_to_be_left() -> None:
    thread = Content(Format.TEXT, "one", thread=("two", "three"))
    post = out(content=thread, values={"post": "1", "part-2": "2", "part-3": None})
    ended = take_down(Platform.X, answer(status=204), answer(status=204), post=post)
    assert ended == Ended(note="the id of part 3 of the thread is not known; delete it in the app")


def test_a_part_that_was_found_later_goes_as_well() -> None:
    thread = Content(Format.TEXT, "one", thread=("two",))
    post = out(content=thread, values={"post": "1", "part-2": None}, steps={"find-2": "7"})
    flow = AFTER[Platform.X].take_down(job(Platform.X), post)
    _, sent = run_flow(flow, [answer(status=204), answer(status=204)])
    assert [effect.request.path for effect in sent] == ["/2/tweets/7", "/2/tweets/1"]  # type: ignore[union-attr]


def test_x_names_those_that_are_missing_and_says_who_we_are() -> None:
    found = look(
        Platform.X, answer({"data": [{"id": "1"}], "errors": [MISSING]}), answer({"data": {"id": "9"}})
    )
    assert found == {"d1": Presence.THERE, "d2": Presence.ABSENT}


@pytest.mark.parametrize(
    "problem", ["not-authorized-for-resource", "resource-unavailable", "disallowed-resource"]
)
def test_a_post_that_x_hides_is_not_called_missing(problem: str) -> None:
    hidden = {**MISSING, "type": f"https://api.x.com/2/problems/{problem}"}
    found = look(Platform.X, answer({"data": [{"id": "1"}], "errors": [hidden]}))
    assert found == {"d1": Presence.THERE, "d2": Presence.UNSEEN}


def test_all_missing_at_an_account_that_x_does_not_know_says_nothing() -> None:
    with pytest.raises(PlatformError):
        look(Platform.X, answer({"errors": [MISSING]}), answer({"title": "Forbidden"}, 403))


# Meta


@pytest.mark.parametrize(
    ("platform", "options"),
    [(Platform.FACEBOOK, {}), (Platform.INSTAGRAM, {"login": "facebook_login"})],
)
@pytest.mark.parametrize(("listed", "presence"), [(["1"], Presence.THERE), (["3"], Presence.ABSENT)])
def test_what_cannot_be_read_is_looked_for_in_the_list(
    platform: Platform, options: dict[str, str], listed: list[str], presence: Presence
) -> None:
    items = answer({"data": [{"id": name} for name in listed]})
    found = look(platform, answer(UNREADABLE, 400), items, posts=[out("1")], **options)
    assert found == {"d1": presence}


def test_a_video_is_known_by_its_own_id_or_by_that_of_its_post() -> None:
    item = {"id": "5_77", "attachments": {"data": [{"target": {"id": "42"}}]}}
    for post_id in ("5_77", "77", "42"):
        post = out(post_id, Content(Format.VIDEO, "hello"))
        assert look(Platform.FACEBOOK, answer(UNREADABLE, 400), answer({"data": [item]}), posts=[post]) == {
            f"d{post_id}": Presence.THERE
        }


def test_a_video_is_taken_down_by_the_id_under_which_the_page_lists_it() -> None:
    item = {"id": "5_77", "attachments": {"data": [{"target": {"id": "42"}}]}}
    post = out("42", Content(Format.VIDEO, "hello"))
    flow = AFTER[Platform.FACEBOOK].take_down(job(Platform.FACEBOOK), post)
    ended, sent = run_flow(
        flow, [answer(UNREADABLE, 400), answer({"data": [item]}), answer({"success": True})]
    )
    assert ended == Ended()
    paths = [effect.request.path for effect in sent if isinstance(effect, Commit)]
    assert paths == ["/v25.0/42", "/v25.0/5_77"]


@pytest.mark.parametrize(
    ("platform", "options"),
    [(Platform.FACEBOOK, {}), (Platform.INSTAGRAM, {"login": "facebook_login"})],
)
def test_a_post_that_is_listed_and_said_not_to_be_there_is_asked_for_again(
    platform: Platform, options: dict[str, str]
) -> None:
    with pytest.raises(PlatformError, match="the account shows the post") as error:
        take_down(platform, answer(UNREADABLE, 400), answer({"data": [{"id": "1"}]}), **options)
    assert error.value.info.strategy is Strategy.RETRY
    gone = take_down(platform, answer(UNREADABLE, 400), answer({"data": []}), **options)
    assert gone == Ended()


def test_a_reel_is_looked_for_among_the_reels_too() -> None:
    post = out("42", Content(Format.REEL, "hello"))
    empty, reels = answer({"data": []}), answer({"data": [{"id": "42", "post_id": "5_77"}]})
    found = look(Platform.FACEBOOK, answer(UNREADABLE, 400), empty, reels, posts=[post])
    assert found == {"d42": Presence.THERE}


@pytest.mark.parametrize(
    "content",
    [Content(Format.STORY), Content(Format.REEL, "hello", options={"share_to_feed": False})],
)
def test_what_instagrams_list_may_leave_out_is_never_called_missing(content: Content) -> None:
    answers = (answer(UNREADABLE, 400), answer({"data": []}))
    post = out("1", content)
    found = look(Platform.INSTAGRAM, *answers, posts=[post], login="facebook_login")
    assert found == {"d1": Presence.UNSEEN}


@pytest.mark.parametrize("said", [answer({"success": False}), answer(b"<html>"), answer({})])
def test_a_deletion_that_meta_does_not_confirm_is_none(said: Response) -> None:
    with pytest.raises(PlatformError):
        take_down(Platform.FACEBOOK, said)


# TikTok


def ok(*ids: str) -> Response:
    return answer({"data": {"videos": [{"id": name} for name in ids]}, "error": {"code": "ok"}})


def test_tiktok_shows_public_videos_and_private_ones_are_not_asked_for() -> None:
    private = Content(Format.VIDEO, "hello", options={"privacy_level": "SELF_ONLY"})
    posts = [out("1", PUBLIC), out("2", private)]
    assert look(Platform.TIKTOK, ok("1"), posts=posts) == {"d1": Presence.THERE, "d2": Presence.UNSEEN}
    assert look(Platform.TIKTOK, posts=posts[1:]) == {"d2": Presence.UNSEEN}


@pytest.mark.parametrize(("listed", "presence"), [(("9",), Presence.ABSENT), ((), Presence.UNSEEN)])
def test_an_account_on_tiktok_that_shows_nothing_at_all_proves_nothing(
    listed: tuple[str, ...], presence: Presence
) -> None:
    assert look(Platform.TIKTOK, ok(), ok(*listed), posts=[out("1", PUBLIC)]) == {"d1": presence}


def test_on_tiktok_a_person_must_do_it_in_the_app() -> None:
    side, account = AFTER[Platform.TIKTOK], Account(Platform.TIKTOK, "1", "anna")
    assert "in the app" in side.cannot_take_down(account, PUBLIC)
    assert "in the app" in side.cannot_edit(account, PUBLIC)
