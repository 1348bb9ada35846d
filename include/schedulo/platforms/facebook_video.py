"""Videos and reels of a Facebook Page: bytes ahead of time, and a finish that makes them public.

The commit finishes the upload and keeps the video's id; from then on its status tells when it is public.
Sources: Meta's reference of Page videos and the video API's guide to reels.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any

from schedulo.errors import Phase, PlatformError
from schedulo.flow import (
    Finding,
    Flow,
    Job,
    Look,
    NotReady,
    Response,
    Slice,
    commit,
    due,
    step,
)
from schedulo.model import Media, Published
from schedulo.platforms import graph
from schedulo.platforms.facebook_limits import thumbnail
from schedulo.platforms.facebook_page import GRAPH, Page, not_read, whole_link
from schedulo.words import word

OFFSET_IS_WRONG = "1363037"
"""Subcode that tells in `error_data` where a chunked upload goes on (Meta: Page videos)."""
MAX_CORRECTIONS = 10
POLL_S = 5.0
VIDEO_FIELDS = "status,permalink_url,post_id,published"


class Stage(StrEnum):
    IDLE = "idle"
    """Uploaded, and nothing asked for yet."""
    WORKING = "working"
    PUBLISHED = "published"
    FAILED = "failed"


def publish_video(job: Job) -> Flow:
    """Chunks are sent as Facebook asks for them, ahead of time; finishing is the commit."""
    page, content = Page.of(job), job.content
    (media,) = content.media
    edge = f"{page.page_id}/videos"
    start = yield from step(
        "start",
        page.post(edge, upload_phase="start", file_size=media.size_bytes),
        _started,
        keep_s=graph.HANDLE_KEEP_S,
    )
    yield from _chunks(page, edge, media, start)
    yield from due()
    request = page.commit(
        edge,
        upload_phase="finish",
        upload_session_id=start["session"],
        title=content.options.get("title"),
        description=content.text or None,
    )
    if cover := thumbnail(content):
        request = replace(
            graph.multipart(request, "thumb", cover, graph.whole(cover)), timeout_s=request.timeout_s
        )
    more = bool(content.first_comment)
    yield from commit("post", request, partial(_finished, start["video_id"]), live=False, more=more)
    return (yield from _on_air(page, start["video_id"]))


def _started(response: Response) -> dict[str, Any]:
    body = GRAPH.data(response, Phase.ARM)
    try:
        return {
            "session": _handle(body, "upload_session_id"),
            "video_id": _handle(body, "video_id"),
            **_bounds(body),
        }
    except (KeyError, TypeError, ValueError):
        raise GRAPH.unfit(response, "the upload session is not complete") from None


def _handle(body: dict[str, Any], name: str) -> str:
    if not (value := word(body[name])):
        raise ValueError(name)
    return value


def _bounds(body: dict[str, Any]) -> dict[str, Any]:
    """The next chunk's bounds; Facebook writes them as strings."""
    return {"start": int(body["start_offset"]), "end": int(body["end_offset"])}


def _chunks(page: Page, edge: str, media: Media, start: dict[str, Any]) -> Flow:
    """One step a chunk. Names carry the session: what one session got says nothing of the next."""
    session, bounds, number, corrections = start["session"], start, 0, 0
    while bounds["start"] < bounds["end"]:
        request = page.post(
            edge, upload_phase="transfer", upload_session_id=session, start_offset=bounds["start"]
        )
        chunk = Slice(media.sha256, bounds["start"], bounds["end"] - bounds["start"])
        answer = yield from step(
            f"upload-{session}-{number}",
            graph.multipart(request, "video_file_chunk", media, chunk),
            _transferred,
            keep_s=graph.HANDLE_KEEP_S,
        )
        corrections += answer["corrected"]
        if corrections > MAX_CORRECTIONS:
            raise GRAPH.error(Phase.ARM, 400, "6001", OFFSET_IS_WRONG, "the upload does not get ahead")
        bounds, number = answer, number + 1


def _transferred(response: Response) -> dict[str, Any]:
    try:
        body = GRAPH.data(response, Phase.ARM)
        return {**_bounds(body), "corrected": False}
    except PlatformError as error:
        if not error.code.endswith(f"/{OFFSET_IS_WRONG}"):
            raise
        try:
            return {**_bounds(response.json()["error"]["error_data"]), "corrected": True}
        except (KeyError, TypeError, ValueError):
            raise error from None
    except (KeyError, TypeError, ValueError):
        raise GRAPH.unfit(response, "no offsets") from None


def _finished(video_id: str, response: Response) -> str:
    GRAPH.accepted(response)
    return video_id


def publish_reel(job: Job) -> Flow:
    """The bytes go to the upload host ahead of time; finishing with video_state=PUBLISHED is the commit."""
    page, content = Page.of(job), job.content
    (media,) = content.media
    edge = f"{page.page_id}/video_reels"
    video_id = yield from begin_video(page, edge, media)
    yield from due()
    request = page.commit(
        edge,
        upload_phase="finish",
        video_id=video_id,
        video_state="PUBLISHED",
        title=content.options.get("title"),
        description=content.text or None,
    )
    more = bool(content.first_comment)
    yield from commit("post", request, partial(_finished, video_id), live=False, more=more)
    return (yield from _on_air(page, video_id))


def begin_video(page: Page, edge: str, media: Media) -> Flow:
    """A reel or a story before its finish: its bytes are with the upload host. Ends with the video's id."""
    start = yield from step(
        "start",
        page.post(edge, upload_phase="start"),
        lambda response: {"video_id": GRAPH.text(response, "video_id")},
        keep_s=graph.HANDLE_KEEP_S,
    )
    yield from graph.upload(GRAPH, f"/video-upload/{page.version}", start["video_id"], media)
    return start["video_id"]


def _on_air(page: Page, video_id: str) -> Flow:
    """Wait until the video is public. Raises MEDIA_REJECTED, or what its number means, if it never will."""
    shown = yield from step("status", page.get(video_id, fields=VIDEO_FIELDS), _ready)
    return Published(post_id=shown["post_id"] or video_id, permalink=whole_link(shown["permalink_url"]))


def _ready(response: Response) -> dict[str, str | None]:
    body = GRAPH.data(response, Phase.READ)
    stage, number, why = stage_of(body)
    match stage:
        case Stage.PUBLISHED:
            return {
                "post_id": word(body.get("post_id")) or None,
                "permalink_url": word(body.get("permalink_url")) or None,
            }
        case Stage.FAILED:
            raise GRAPH.error(Phase.READ, 200, "VIDEO_FAILED", number, why, final=True)
        case _:
            raise NotReady(POLL_S, "Facebook is processing the video")


def stage_of(body: dict[str, Any]) -> tuple[Stage, str, str]:
    """Where a video stands; for a failed one the error's number and text, where told.

    Meta spells it in several ways (complete or completed; error or errors; with and without phases).
    """
    status = body.get("status") or {}
    phases = [status.get(f"{name}_phase") or {} for name in ("uploading", "processing", "publishing")]
    said = [str(phase.get("status", "")).lower() for phase in phases]
    publish_status = str(phases[2].get("publish_status", "")).lower()
    video = str(status.get("video_status", "")).lower()
    # `publish_status` alone may tell what was asked for, not what is.
    done = said[2] in ("complete", "completed") and publish_status in ("", "published")
    if done or (video == "ready" and body.get("published") is True):
        return Stage.PUBLISHED, "", ""
    if "error" in (*said, publish_status) or video in ("error", "upload_failed", "expired"):
        errors = [phase.get("error") or (phase.get("errors") or [{}])[0] for phase in phases]
        error: dict[str, Any] = next((item for item in errors if item), {})
        return Stage.FAILED, word(error.get("code")), word(error.get("message")) or video
    if video == "processing" or "in_progress" in said[1:]:
        return Stage.WORKING, "", ""
    return Stage.IDLE, "", ""


def look_at_video(page: Page, video_id: str) -> Flow:
    try:
        stage, number, why = yield from step(
            "look-video",
            page.get(video_id, fields=VIDEO_FIELDS),
            lambda response: stage_of(GRAPH.data(response, Phase.READ)),
            keep_s=graph.LOOK_KEEP_S,
        )
    except PlatformError as error:
        return not_read(error, "the video")
    match stage:
        case Stage.PUBLISHED:
            return Finding(Look.FOUND, video_id, "the video is public")
        case Stage.FAILED:
            return Finding(Look.DEAD, note=f"the video failed ({number or why})")
        case Stage.WORKING:
            return Finding(Look.UNCLEAR, note="the video is being processed")
        case Stage.IDLE:
            return Finding(Look.UNUSED, note="the video is uploaded and was not finished")


def public_reels(name: str, page: Page) -> Flow:
    """The Page's public reels, all of them."""
    fields = "id,post_id,description,created_time,permalink_url"
    reels = yield from GRAPH.items(name, page.get(f"{page.page_id}/video_reels", fields=fields, limit=100))
    if reels is None:
        raise GRAPH.error(Phase.READ, 503, text="the list of reels does not end")
    return reels
