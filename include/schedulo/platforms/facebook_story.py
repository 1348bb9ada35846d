"""Stories of a Facebook Page: one photo or one video, without words, gone after a day.

The handle is an unpublished photo or an uploaded video, which Meta takes for one post only. What proves that
a story is out is the Page's list of stories, which names its medium. Source: Meta, Page Stories API.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from schedulo.errors import Phase, PlatformError
from schedulo.flow import Finding, Flow, Job, Look, Lost, NotReady, Response, Sent, commit, due, step
from schedulo.model import MediaKind, Published
from schedulo.platforms import graph
from schedulo.platforms.facebook_page import EARLIER_S, GRAPH, Page, not_read, upload_photo, whole_link
from schedulo.platforms.facebook_video import POLL_S, VIDEO_FIELDS, Stage, begin_video, stage_of
from schedulo.words import word


def publish_story(job: Job) -> Flow:
    """A photo is uploaded unpublished, a video to the upload host; making a story of it is the commit."""
    page = Page.of(job)
    (media,) = job.content.media
    if media.kind is MediaKind.VIDEO:
        edge = f"{page.page_id}/video_stories"
        video_id = yield from begin_video(page, edge, media)
        yield from due()
        finish = page.commit(edge, upload_phase="finish", video_id=video_id)
        made = yield from commit("post", finish, _made, live=False)
        yield from step("status", page.get(video_id, fields=VIDEO_FIELDS), _processed)
        return (yield from _published(page, video_id, made))
    photo_id = yield from upload_photo(page, 0, media)
    yield from due()
    request = page.commit(f"{page.page_id}/photo_stories", photo_id=photo_id)
    made = yield from commit("post", request, _made)
    return (yield from _published(page, photo_id, made))


def _made(response: Response) -> dict[str, str | None] | None:
    """The new story; None where the answer cannot be read."""
    post_id = word(GRAPH.accepted(response).get("post_id"))
    return {"post_id": post_id, "url": None} if post_id else None


def _processed(response: Response) -> bool:
    """Nothing stands between an accepted story and the public but processing."""
    body = GRAPH.data(response, Phase.READ)
    stage, number, why = stage_of(body)
    if stage is Stage.FAILED:
        raise GRAPH.error(Phase.READ, 200, "VIDEO_FAILED", number, why, final=True)
    if stage is not Stage.PUBLISHED and not _is_ready(body):
        raise NotReady(POLL_S, "Facebook is processing the video")
    return True


def _is_ready(body: dict[str, Any]) -> bool:
    return str((body.get("status") or {}).get("video_status", "")).lower() == "ready"


def _published(page: Page, medium: str, made: dict[str, str | None] | None) -> Flow:
    """The end of a story that is out; its link is in the list only."""
    if made is None or made["url"] is None:
        with suppress(PlatformError):  # nothing from here on can take back that it is out
            made = (yield from _story_of("story", page, medium)) or made
    if made is None:
        return Published(note="Facebook took the story but its id is not known")
    return Published(post_id=made["post_id"], permalink=whole_link(made["url"]))


def _stories(name: str, page: Page) -> Flow:
    """The Page's stories of a day, and older ones where it keeps an archive."""
    stories = yield from GRAPH.items(name, page.get(f"{page.page_id}/stories"), key="post_id")
    if stories is None:
        raise GRAPH.error(Phase.READ, 503, text="the list of stories does not end")
    return stories


def _story_of(name: str, page: Page, medium: str) -> Flow:
    """The story of this photo or video (it is ours alone), or None."""
    stories = yield from _stories(name, page)
    return next((_story(item) for item in stories if word(item.get("media_id")) == medium), None)


def _story(item: dict[str, Any]) -> dict[str, str | None]:
    return {"post_id": word(item["post_id"]), "url": word(item.get("url")) or None}


# Looking what became of it.


def look_at_story(page: Page, sent: Sent) -> Flow:
    video = "start" in sent.steps
    medium = sent.steps["start"]["video_id"] if video else sent.steps["photo-0"]
    try:
        story = yield from _story_of("look-stories", page, medium)
    except PlatformError as error:
        return not_read(error, "the list of stories")
    if story is not None:
        return Finding(Look.FOUND, story, "the Page's stories show it")
    if video:
        return (yield from _look_at_video(page, medium))
    return Finding(Look.ABSENT, note="the Page's stories do not show it")


def _look_at_video(page: Page, video_id: str) -> Flow:
    """What the video itself says, where no story shows it."""
    try:
        stage, ready, why = yield from step(
            "look-video", page.get(video_id, fields=VIDEO_FIELDS), _said, keep_s=graph.LOOK_KEEP_S
        )
    except PlatformError as error:
        return not_read(error, "the video")
    match stage:
        case Stage.PUBLISHED:
            return Finding(Look.FOUND, note="the video is public")
        case Stage.FAILED:
            return Finding(Look.DEAD, note=f"the video failed ({why})")
        case Stage.IDLE if not ready:
            return Finding(Look.UNUSED, note="the video is uploaded and was not finished")
        case _:
            return Finding(Look.UNCLEAR, note="the video is processed, and no story shows it yet")


def _said(response: Response) -> tuple[Stage, bool, str]:
    body = GRAPH.data(response, Phase.READ)
    stage, number, why = stage_of(body)
    return stage, _is_ready(body), number or why


def search_stories(page: Page, lost: Lost) -> Flow:
    """Stories have no words: only a kept handle tells ours from others, and yesterday's are not listed."""
    stories = yield from _stories("look-stories", page)
    kept = {lost.steps.get("photo-0"), (lost.steps.get("start") or {}).get("video_id")} - {None}
    for item in stories:
        if word(item.get("media_id")) in kept:
            story = _story(item)
            published = Published(
                post_id=story["post_id"], permalink=whole_link(story["url"]), published_ms=_made_ms(item)
            )
            return Finding(Look.FOUND, note="the Page's stories show it", published=published)
    since_ms = lost.since_ms - EARLIER_S * 1000
    fresh = [
        item
        for item in stories
        if word(item["post_id"]) not in lost.owned and (_made_ms(item) or since_ms) >= since_ms
    ]
    if fresh:
        note = "there are newer stories, and without words ours cannot be told apart"
        return Finding(Look.UNCLEAR, note=note, resend=False)
    note = "no newer story is listed; one that is older than a day would not be"
    return Finding(Look.ABSENT, note=note, resend=False)


def _made_ms(item: dict[str, Any]) -> int | None:
    seconds = word(item.get("creation_time"))
    return int(seconds) * 1000 if seconds.isdecimal() else None
