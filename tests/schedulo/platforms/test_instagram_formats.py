"""Instagram's carousels, stories, covers and tags on canned answers, and the quota that is asked first."""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError
from schedulo.flow import Commit, Finding, Look, Lost, Response, Sent, Step
from schedulo.model import Content, Format, MediaKind
from schedulo.platforms.instagram import CONVERSATION
from tests.schedulo.platforms.flows import answer, names, run_flow
from tests.schedulo.platforms.test_instagram import (
    CLIP,
    IMAGE,
    LEFT,
    MEDIA,
    PHOTO,
    REEL,
    SENT_S,
    form,
    item,
    job,
    listing,
    status,
)

FIRST_BOX = 17900000000000100
COVER = replace(PHOTO, sha256="c" * 64, width=1080, height=1920, alt_text="")
CAROUSEL = Content(Format.CAROUSEL, "Hello @anna", (PHOTO, CLIP))
STORY = Content(Format.STORY, "Hello @anna", (PHOTO,))


class Meta:
    """Answers by what is asked: containers get ids in order, everything is finished at once."""

    def __init__(self, children: list[int] | None = None, usage: Response = LEFT) -> None:
        self.boxes = 0
        self.children = children
        self.asked_s = SENT_S
        self.usage = usage

    def __call__(self, effect: Step | Commit) -> Response:
        path = effect.request.path
        if path.endswith("/content_publishing_limit"):
            return self.usage
        if path.endswith("/media"):
            self.boxes += 1
            return answer({"id": str(FIRST_BOX + self.boxes)})
        if path.startswith("/ig-api-upload/"):
            return answer({"success": True})
        if path.endswith("/media_publish"):
            return answer({"id": MEDIA})
        if path.endswith(MEDIA):
            self.asked_s += 6
            listed = self.children.pop(0) if self.children else 0
            body: dict[str, Any] = {"id": MEDIA, "permalink": "https://ig/p/1/"}
            if listed:
                body["children"] = {"data": [{"id": str(number)} for number in range(listed)]}
            return answer(body, date=date(self.asked_s))
        return status("FINISHED")


def date(epoch_s: int) -> str:
    return formatdate(epoch_s, usegmt=True)


def published(content: Content, login: str = "instagram_login", meta: Meta | None = None, **how: Any) -> Any:
    return run_flow(CONVERSATION.publish(job(content, login, **how)), meta or Meta())


def made(sent: list[Any]) -> list[dict[str, str]]:
    """The forms of all containers, in order."""
    return [
        form(effect) for effect in sent if isinstance(effect, Step) and effect.request.path.endswith("/media")
    ]


# Carousels.


def test_a_carousel_is_made_of_its_finished_children_and_published_by_one_commit() -> None:
    result, sent = published(CAROUSEL, meta=Meta([2]))
    one, two, whole = (str(FIRST_BOX + number) for number in (1, 2, 3))
    assert names(sent)[:5] == ["quota", "child-1", f"ready-{one}", "child-2", f"ready-{two}"]
    assert names(sent)[5].startswith("container-")
    assert names(sent)[6:] == [f"ready-{whole}", "due", "post", "permalink"]
    assert made(sent) == [
        {"is_carousel_item": "true", "image_url": "https://media.example/aaaaaa", "alt_text": "A cat"},
        {"media_type": "VIDEO", "is_carousel_item": "true", "video_url": "https://media.example/bbbbbb"},
        {"media_type": "CAROUSEL", "caption": "Hello @anna", "children": f"{one},{two}"},
    ]
    (commit,) = [effect for effect in sent if isinstance(effect, Commit)]
    assert form(commit) == {"creation_id": whole}
    assert (result.post_id, result.lacks, result.note) == (MEDIA, "", "")


def test_a_carousel_of_other_children_is_another_container() -> None:
    kept: dict[str, Any] = {}
    run_flow(CONVERSATION.publish(job(CAROUSEL)), Meta([2]), kept)
    first = {name for name in kept if name.startswith("container")}
    again = {name: value for name, value in kept.items() if name in first}
    meta = Meta([2])
    meta.boxes = 10
    run_flow(CONVERSATION.publish(job(CAROUSEL)), meta, again)
    assert len({name for name in again if name.startswith("container")} - first) == 1


def test_the_label_of_a_carousel_is_never_on_its_children() -> None:
    _, sent = published(replace(CAROUSEL, options={"is_ai_generated": True}))
    assert [form.get("is_ai_generated") for form in made(sent)] == [None, None, "true"]


@pytest.mark.parametrize("content", [CAROUSEL, replace(STORY, media=(CLIP,))])
def test_with_facebook_login_the_bytes_of_its_videos_are_uploaded(content: Content) -> None:
    _, sent = published(content, "facebook_login", Meta([2]), ig_upload="resumable")
    uploads = [effect for effect in sent if isinstance(effect, Step) and effect.name.startswith("upload-")]
    assert [effect.request.raw.sha256 for effect in uploads] == [CLIP.sha256]
    forms = [form for form in made(sent) if form.get("upload_type") == "resumable"]
    assert len(forms) == 1
    assert "video_url" not in forms[0]


def test_a_carousel_that_is_shown_without_an_item_a_while_later_says_so() -> None:
    result, sent = published(CAROUSEL, meta=Meta([1, 1, 1]))
    assert names(sent)[-3:] == ["permalink", "children", "children"]
    assert result.lacks == "Instagram shows 1 of 2 files of this carousel"
    assert result.permalink == "https://ig/p/1/"


def test_a_carousel_whose_items_are_shown_late_is_whole() -> None:
    result, _ = published(CAROUSEL, meta=Meta([1, 2]))
    assert result.lacks == ""


def test_a_carousel_that_does_not_tell_its_items_lacks_none() -> None:
    result, sent = published(CAROUSEL)
    assert (names(sent)[-1], result.lacks) == ("permalink", "")


# Stories, covers, tags.


def test_a_story_has_neither_caption_nor_alt_text_nor_comment() -> None:
    _, sent = published(replace(STORY, options={"is_ai_generated": True}, first_comment="and more"))
    assert names(sent)[-1] == "permalink"
    url = "https://media.example/aaaaaa"
    assert made(sent) == [{"media_type": "STORIES", "is_ai_generated": "true", "image_url": url}]


def test_a_cover_wins_over_a_moment_of_the_video() -> None:
    _, sent = published(replace(REEL, cover=COVER))
    (form,) = made(sent)
    assert form["cover_url"] == "https://media.example/cccccc"
    assert "thumb_offset" not in form


def test_tags_are_sent_with_the_file_that_they_are_on() -> None:
    tags = [
        {"index": 0, "username": "bob", "x": 0.25, "y": 0.5},
        {"index": 1, "username": "eve", "x": 0.1, "y": 0.2},
    ]
    _, sent = published(replace(CAROUSEL, options={"user_tags": tags}))
    told = [json.loads(form["user_tags"]) if "user_tags" in form else None for form in made(sent)]
    assert told == [[{"username": "bob", "x": 0.25, "y": 0.5}], [{"username": "eve"}], None]


# The quota.


def test_an_account_that_has_used_its_quota_waits_until_its_oldest_post_is_a_day_old() -> None:
    now, total = SENT_S, 3
    posted = [now - 80_000, now - 50_000, now - 10_000]
    asked: list[int] = []

    def limit(effect: Step | Commit) -> Response:
        assert effect.request.path.endswith("/content_publishing_limit")
        query = dict(effect.request.query)
        since = int(query.get("since", now - 86_400))
        asked.append(since)
        used = sum(at >= since for at in posted)
        row: dict[str, Any] = {"quota_usage": used}
        if "config" in query["fields"]:
            row["config"] = {"quota_total": total, "quota_duration": 86_400}
        return answer({"data": [row]}, date=date(now))

    with pytest.raises(PlatformError) as caught:
        run_flow(CONVERSATION.publish(job()), limit)
    assert caught.value.kind is Kind.QUOTA_EXHAUSTED
    assert caught.value.wait_s is not None
    assert 0 <= caught.value.wait_s - 6_400 <= 90
    assert min(asked[2:]) > now - 86_400
    assert len(asked) == 12


@pytest.mark.parametrize(
    "said",
    [
        answer({"error": {"code": 100, "error_subcode": 33}}, 400),
        answer({"error": {"code": 2}}, 500),
        answer({"data": []}),
        answer({"data": [{"quota_usage": 49}]}),
        answer(b"<html>"),
    ],
)
def test_a_quota_that_cannot_be_read_stops_nothing(said: Response) -> None:
    result, _ = published(IMAGE, meta=Meta(usage=said))
    assert result.post_id == MEDIA


def test_without_a_total_fifty_posts_are_the_quota() -> None:
    with pytest.raises(PlatformError) as caught:
        published(IMAGE, meta=Meta(usage=answer({"data": [{"quota_usage": 50}]})))
    assert (caught.value.kind, caught.value.wait_s) == (Kind.QUOTA_EXHAUSTED, None)


# Looking what became of a write.


def look(content: Content, *answers: Response, owned: frozenset[str] = frozenset()) -> Finding:
    _, effects = published(content, meta=Meta([2]))
    (commit,) = [effect for effect in effects if isinstance(effect, Commit)]
    sent = Sent("post", commit.request, content, {}, SENT_S * 1000, owned)
    finding, asked = run_flow(CONVERSATION.reconcile(job(content), sent), list(answers))
    path = "/v25.0/1784/stories" if content.format is Format.STORY else "/v25.0/1784/media"
    assert asked[1].request.path == path
    return finding


def story(**changes: Any) -> dict[str, Any]:
    return item(media_product_type="STORY", caption=None, **changes)


def test_a_story_is_looked_for_among_the_stories() -> None:
    assert look(STORY, status("PUBLISHED"), listing(story())).value == MEDIA
    assert look(STORY, status("FINISHED"), listing()).look is Look.UNUSED


def test_a_container_that_failed_does_not_prove_that_a_story_is_not_out() -> None:
    """Stories are listed for a day, and it may be over."""
    assert look(STORY, status("EXPIRED"), listing()).look is Look.UNCLEAR


def test_a_story_of_a_picture_is_no_film() -> None:
    assert look(STORY, status("FINISHED"), listing(story(media_type="VIDEO"))).look is Look.UNUSED


def test_a_story_that_is_anothers_is_not_taken_for_this_one() -> None:
    listed = listing(story(id="5"))
    assert look(STORY, status("FINISHED"), listed).look is Look.UNCLEAR
    assert look(STORY, status("FINISHED"), listed, owned=frozenset({"5"})).look is Look.UNUSED


def test_a_carousel_is_looked_for_among_carousels() -> None:
    albums = listing(item(id="1"), item(id="2", media_type="CAROUSEL_ALBUM"))
    assert look(CAROUSEL, status("FINISHED"), albums).value == "2"
    assert look(IMAGE, status("FINISHED"), albums).value == "1"


def test_any_container_of_an_earlier_life_proves_that_a_carousel_is_out() -> None:
    kept = {"container-aa": {"id": "8"}, "container-bb": {"id": "9"}, "child-1": {"id": "7"}}
    answers = [status("EXPIRED"), status("PUBLISHED"), listing()]
    flow = CONVERSATION.search(job(CAROUSEL), Lost(CAROUSEL, SENT_S * 1000, kept))
    finding, _ = run_flow(flow, answers)
    assert finding.look is Look.FOUND


def test_each_format_says_what_its_files_must_be_like() -> None:
    account = job().account
    kinds = {format_: set(CONVERSATION.accepts(account, format_)) for format_ in Format}
    both = {MediaKind.IMAGE, MediaKind.VIDEO}
    assert {format_: found for format_, found in kinds.items() if found} == {
        Format.IMAGE: {MediaKind.IMAGE},
        Format.REEL: both,
        Format.CAROUSEL: both,
        Format.STORY: both,
    }
