"""TikTok: what it accepts, how a video or a draft is made there, and what became of one.

Uses the Content Posting API v2. A file is sent in chunks and the last chunk is the commit: nothing can be
public before its bytes are complete, and the publish_id says at any time how many arrived. With
PULL_FROM_URL the init itself is the commit; when its answer is lost there is no handle, and it is never sent
again. Ids are 64-bit numbers and travel as strings here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from schedulo.accepts import Rules
from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, diagnose
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.flow import (
    Auth,
    Finding,
    Flow,
    Job,
    Look,
    Lost,
    NotReady,
    Read,
    Request,
    Response,
    Sent,
    Slice,
    commit,
    due,
    step,
)
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Problem, Published, State
from schedulo.platforms.base import Conversation, Credential, Renewed, seconds
from schedulo.text import utf16_length
from schedulo.words import word

# TikTok: media transfer guide. "MB" may mean either unit there; these satisfy both.
MIN_CHUNK_BYTES = 5 * 1024 * 1024
MAX_CHUNK_BYTES = 32_000_000
"""Half of TikTok's 64 MB: the last chunk takes the remainder and stays below 64 MB, as a lone chunk must."""
MAX_CHUNKS = 1000

# TikTok: Content Posting API, video restrictions
TYPES = ("video/mp4", "video/quicktime", "video/webm")
MAX_BYTES = 4_000_000_000
MAX_DURATION_S = 600
MIN_SIDE, MAX_SIDE = 360, 4096
MAX_TITLE_UNITS = 2200
PRIVACY_LEVELS = ("PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY")

CREATOR_KEEP_S = 3600.0
INIT_KEEP_S = 50 * 60.0
"""The upload address lives one hour."""
POLL_S = 5.0
PUBLIC_ID_POLL_S = 10.0
PUBLIC_ID_PATIENCE_S = 45.0
"""How long after PUBLISH_COMPLETE the public id is waited for: moderation mostly takes less than a minute."""
CLOCK_MARGIN_S = 60
WAITS_S = {Kind.RATE_LIMITED: 60.0, Kind.QUOTA_EXHAUSTED: 24 * 3600.0}
"""TikTok names no reset: its limits are per minute and per day."""

JSON = (("Content-Type", "application/json; charset=UTF-8"),)
DIRECT_INIT = "/v2/post/publish/video/init/"
DRAFT_INIT = "/v2/post/publish/inbox/video/init/"


def raise_for(response: Response, phase: Phase, code: str = "") -> PlatformError:
    """The error that an answer stands for; `code` is for answers that carry none of their own."""
    body = response.json()
    error = body.get("error") if isinstance(body, dict) else None
    message = ""
    # The upload server has no words of its own, but does not speak HTML.
    spoken = bool(code) and not response.body.lstrip().startswith(b"<")
    if isinstance(error, dict):
        code, spoken = word(error.get("code")) or code, bool(word(error.get("code")))
        log_id = word(error.get("log_id") or error.get("logid"))
        message = word(error.get("message")) + (f" (log id {log_id})" if log_id else "")
    elif isinstance(error, str):  # the token endpoint answers flat
        code, message, spoken = error, word(body.get("error_description")), True
    diagnosis = diagnose(TIKTOK_RULES, phase, response.status, code, text=message, spoken=spoken)
    return _error(diagnosis, response, code, message)


def _error(diagnosis: Diagnosis, response: Response | None, code: str, message: str) -> PlatformError:
    wait_s = WAITS_S.get(diagnosis.kind)
    if response and response.retry_after_s is not None:
        wait_s = response.retry_after_s
    status = response.status if response else None
    return PlatformError("TikTok", diagnosis, status=status, code=code, message=message, wait_s=wait_s)


def _data(response: Response, phase: Phase, *needed: str) -> dict[str, Any]:
    """What a good answer holds, `needed` among it; only `error.code` says whether an answer is good."""
    body = response.json()
    body = body if isinstance(body, dict) else {}
    error, data = body.get("error"), body.get("data")
    good = isinstance(error, dict) and error.get("code") == "ok"
    if good and isinstance(data, dict) and all(word(data.get(name)) for name in needed):
        return data
    if response.ok and (good or error is None):  # cannot be used, and proves nothing at a commit
        kind = Kind.OUTCOME_UNKNOWN if phase is Phase.COMMIT else Kind.PLATFORM_DOWN
        raise _error(Diagnosis(kind, refusal=False), response, "", "the answer could not be read")
    raise raise_for(response, phase)


def _ask(path: str, body: Mapping[str, Any] | None = None, **more: Any) -> Request:
    return Request("tiktok", "POST", path, json=body, headers=JSON, **more)


def _refuse(kind: Kind, message: str) -> PlatformError:
    return _error(Diagnosis(kind, refusal=True), None, "", message)


# Before the post


def _creator(job: Job) -> Flow:
    """Who posts and what TikTok allows them now; refuses what it does not allow."""

    def read(response: Response) -> dict[str, Any]:
        data = _data(response, Phase.ARM)
        return {
            "username": str(data.get("creator_username") or ""),
            "levels": [str(level) for level in data.get("privacy_level_options") or ()],
            "max_s": int(data.get("max_video_post_duration_sec") or 0),
            "off": [name for name in ("comment", "duet", "stitch") if data.get(f"{name}_disabled")],
        }

    creator = yield from step(
        "creator", _ask("/v2/post/publish/creator_info/query/"), read, keep_s=CREATOR_KEEP_S
    )
    level, levels = job.content.options.get("privacy_level"), creator["levels"]
    if level not in levels:
        raise _refuse(Kind.CONTENT_REJECTED, f"{level} is not open to this account, only {', '.join(levels)}")
    duration_s = job.content.media[0].duration_ms / 1000
    if creator["max_s"] and duration_s > creator["max_s"]:
        raise _refuse(
            Kind.MEDIA_REJECTED,
            f"the video lasts {duration_s:g} s; this account may post {creator['max_s']} s",
        )
    return creator


def _post_info(content: Content, creator: Mapping[str, Any]) -> dict[str, Any]:
    options = content.options
    info: dict[str, Any] = {
        "title": content.text,
        "privacy_level": options["privacy_level"],
        "brand_content_toggle": bool(options.get("brand_content_toggle")),
        "brand_organic_toggle": bool(options.get("brand_organic_toggle")),
    }
    for name in (
        "comment",
        "duet",
        "stitch",
    ):  # off until a person turns them on (content sharing guidelines)
        info[f"disable_{name}"] = name in creator["off"] or bool(options.get(f"disable_{name}", True))
    if options.get("is_aigc") is not None:
        info["is_aigc"] = bool(options["is_aigc"])
    if options.get("video_cover_timestamp_ms") is not None:
        info["video_cover_timestamp_ms"] = int(options["video_cover_timestamp_ms"])
    return info


def _init_request(content: Content, creator: Mapping[str, Any] | None, source: Mapping[str, Any]) -> Request:
    if creator is None:
        return _ask(DRAFT_INIT, {"source_info": source})
    return _ask(DIRECT_INIT, {"post_info": _post_info(content, creator), "source_info": source})


# The file


def chunk_plan(size_bytes: int, wanted_bytes: int) -> tuple[int, list[tuple[int, int]]]:
    """`chunk_size` and the (first, length) of each chunk: floor(size / chunk_size) of them, the last takes
    the rest; a file too small for two is one chunk of its own size (TikTok: media transfer guide)."""
    chunk = max(MIN_CHUNK_BYTES, min(wanted_bytes, MAX_CHUNK_BYTES), -(-size_bytes // MAX_CHUNKS))
    count = size_bytes // chunk
    if count < 2:
        return size_bytes, [(0, size_bytes)]
    firsts = [index * chunk for index in range(count)]
    return chunk, [(first, chunk) for first in firsts[:-1]] + [(firsts[-1], size_bytes - firsts[-1])]


def _put(upload_url: str, media: Media, first: int, length: int) -> Request:
    return Request(
        "",
        "PUT",
        upload_url,
        auth=Auth.NONE,
        raw=Slice(media.sha256, first, length),
        headers=(
            ("Content-Type", media.content_type),
            ("Content-Range", f"bytes {first}-{first + length - 1}/{media.size_bytes}"),
        ),
        timeout_s=120.0,
    )


def _chunk_taken(last: int) -> Read:
    """The server says 206, or 201 after the last; another 2xx comes from somewhere else. A chunk that came
    twice is refused with the server's progress: past its end, it is there."""

    def read(response: Response) -> bool:
        if response.status in (201, 206) or (response.status == 416 and _progress(response) >= last):
            return True
        raise raise_for(response, Phase.ARM, "upload")

    return read


def _progress(response: Response) -> int:
    """The upload server's `Content-Range: bytes 0-UPLOADED/TOTAL`, -1 where there is none."""
    uploaded = response.headers.get("content-range", "").partition("/")[0].rpartition("-")[2]
    return int(uploaded) if uploaded.isdigit() else -1


def _publish_file(job: Job, creator: Mapping[str, Any] | None) -> Flow:
    """All chunks but the last while arming, the last at the due instant. The value of a commit is
    `{"publish_id"}`."""
    media = job.content.media[0]
    chunk_size, chunks = chunk_plan(media.size_bytes, job.options.get("tiktok_chunk_bytes", MIN_CHUNK_BYTES))
    source = {
        "source": "FILE_UPLOAD",
        "video_size": media.size_bytes,
        "chunk_size": chunk_size,
        "total_chunk_count": len(chunks),
    }

    def begun(response: Response) -> dict[str, str]:
        data = _data(response, Phase.ARM, "publish_id", "upload_url")
        if "://" not in str(data["upload_url"]):
            raise ValueError("upload_url")
        return {"publish_id": str(data["publish_id"]), "upload_url": str(data["upload_url"])}

    init = yield from step("init", _init_request(job.content, creator, source), begun, keep_s=INIT_KEEP_S)
    # A chunk belongs to its upload: what was sent for one that ran out says nothing about the next.
    upload = hashlib.sha256(init["publish_id"].encode()).hexdigest()[:8]
    for index, (first, length) in enumerate(chunks[:-1]):
        put = _put(init["upload_url"], media, first, length)
        yield from step(f"chunk-{index}-{upload}", put, _chunk_taken(first + length - 1), INIT_KEEP_S)
    yield from due()

    def finished(response: Response) -> dict[str, str]:
        if not response.ok:
            raise raise_for(response, Phase.COMMIT, "upload")
        return {"publish_id": init["publish_id"]}

    put = _put(init["upload_url"], media, *chunks[-1])
    return (yield from commit("post", put, finished, live=False))


def _publish_pull(job: Job, creator: Mapping[str, Any] | None) -> Flow:
    url = job.media_url(job.content.media[0])
    if url is None:
        raise _refuse(Kind.CONFIGURATION, "TikTok is to fetch the video, and stored media have no address")
    yield from due()

    def begun(response: Response) -> dict[str, str]:
        return {"publish_id": str(_data(response, Phase.COMMIT, "publish_id")["publish_id"])}

    request = _init_request(job.content, creator, {"source": "PULL_FROM_URL", "video_url": url})
    return (yield from commit("post", request, begun, live=False))


# What became of it


def _status(name: str, publish_id: str, read: Read, keep_s: float | None = None) -> Flow:
    return step(name, _ask("/v2/post/publish/status/fetch/", {"publish_id": publish_id}), read, keep_s)


def _outcome(response: Response) -> dict[str, Any]:
    data = _data(response, Phase.READ)
    ids = data.get("publicaly_available_post_id") or data.get("publicly_available_post_id") or []
    return {
        "status": word(data.get("status")),
        "reason": word(data.get("fail_reason")),
        "ids": [str(post_id) for post_id in ids],
        "uploaded": data.get("uploaded_bytes"),
        "date_s": response.date_s,
    }


def _final(response: Response) -> dict[str, Any]:
    outcome = _outcome(response)
    match outcome["status"]:
        case "PUBLISH_COMPLETE" | "SEND_TO_USER_INBOX":
            return outcome
        case "FAILED":
            reason = outcome["reason"]
            diagnosis = diagnose(TIKTOK_RULES, Phase.READ, response.status, reason, "failed")
            # FAILED is final: nothing is public, and nothing of this publish_id will be.
            raise _error(replace(diagnosis, refusal=True), response, reason, "")
        case status:
            raise NotReady(POLL_S, f"TikTok is working on the video ({status})")


def _public_id(complete_s: float | None) -> Read:
    """The id of the public post, or "" when TikTok's own clock says that it was waited for long enough."""

    def read(response: Response) -> str:
        ids: list[str] = _outcome(response)["ids"]
        if ids:
            return ids[0]
        if complete_s is None or (response.date_s or 0.0) - complete_s >= PUBLIC_ID_PATIENCE_S:
            return ""
        raise NotReady(PUBLIC_ID_POLL_S, "the post is complete; TikTok has not named it yet")

    return read


def _published(content: Content, publish_id: str, username: str) -> Flow:
    outcome = yield from _status("status", publish_id, _final)
    if outcome["status"] == "SEND_TO_USER_INBOX":
        return Published(
            State.WAITING_IN_APP,
            note="The video waits in TikTok's inbox; open the app, add the text there and post it.",
        )
    post_id = outcome["ids"][0] if outcome["ids"] else ""
    private = content.options.get("privacy_level") == "SELF_ONLY"
    if not post_id and not private:
        try:
            post_id = yield from _status("public-id", publish_id, _public_id(outcome["date_s"]))
        except PlatformError:
            post_id = ""  # it is out; only its name is missing
    if not post_id:
        reason = "a private post has none" if private else "it is named once moderation is over"
        return Published(note=f"TikTok has published it and gives no link: {reason}.")
    return Published(post_id=post_id, permalink=_permalink(username, post_id))


def _permalink(username: str, post_id: str) -> str | None:
    return f"https://www.tiktok.com/@{username}/video/{post_id}" if username else None


def _listed(content: Content, opened_ms: int) -> Read:
    """The videos of the account that may be the one of a lost init: `[{"video_id", "permalink"}]`."""
    since_s = opened_ms / 1000 - CLOCK_MARGIN_S
    text = " ".join(content.text.split())

    def read(response: Response) -> list[dict[str, Any]]:
        return [
            {"video_id": str(video["id"]), "permalink": video.get("share_url")}
            for video in _data(response, Phase.READ).get("videos") or ()
            if video.get("create_time", 0) >= since_s
            and text in {" ".join(str(video.get(n) or "").split()) for n in ("title", "video_description")}
        ]

    return read


# Checking


def _check_choices(content: Content) -> Iterator[Problem]:
    options = content.options
    level = options.get("privacy_level")
    if level not in PRIVACY_LEVELS:
        yield Problem(
            "Privacy level",
            str(level or ""),
            "TikTok wants each post's audience chosen by a person",
            f"Choose one of {', '.join(PRIVACY_LEVELS)}.",
        )
    if level == "SELF_ONLY" and options.get("brand_content_toggle"):
        yield Problem(
            "Branded content",
            "SELF_ONLY",
            "branded content cannot be private on TikTok",
            "Choose another privacy level, or say that it is no branded content.",
        )
    units = utf16_length(content.text)
    if units > MAX_TITLE_UNITS:
        yield Problem(
            "Text",
            f"{units} characters as TikTok counts",
            f"TikTok takes {MAX_TITLE_UNITS}",
            f"Shorten it by {units - MAX_TITLE_UNITS}.",
        )


def _check_video(media: Media) -> Iterator[Problem]:
    name = media.filename or "video"
    if media.content_type not in TYPES:
        yield Problem(
            "Media", f"{name}: {media.content_type}", f"TikTok takes {', '.join(TYPES)}", "Convert it."
        )
    if not 0 < media.size_bytes <= MAX_BYTES:
        yield Problem(
            "Media",
            f"{name}: {media.size_bytes:,} bytes",
            f"TikTok takes 1 to {MAX_BYTES:,} bytes",
            "Make the file smaller." if media.size_bytes else "Attach the file again.",
        )
    if media.duration_ms > MAX_DURATION_S * 1000:
        yield Problem(
            "Media",
            f"{name}: {media.duration_ms / 1000:g} seconds",
            f"TikTok takes {MAX_DURATION_S} seconds through its interface",
            "Cut it.",
        )
    sides = (media.width, media.height)
    if all(sides) and not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        yield Problem(
            "Media",
            f"{name}: {sides[0]}x{sides[1]}",
            f"TikTok takes {MIN_SIDE} to {MAX_SIDE} pixels a side",
            "Scale it.",
        )


class TikTok:
    """TikTok's side of `Conversation`."""

    platform: Platform = Platform.TIKTOK

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        """All that TikTok would refuse (TikTok: direct post, media transfer guide, sharing guidelines).

        A draft has no text and no settings: the creator chooses them in the app.
        """
        if content.format not in (Format.VIDEO, Format.DRAFT):
            return [Problem("Format", content.format, "TikTok takes video or draft", "Choose one of them.")]
        problems = [] if content.format is Format.DRAFT else [*_check_choices(content)]
        if [media.kind for media in content.media] != [MediaKind.VIDEO]:
            given = ", ".join(media.kind.value for media in content.media)
            return [*problems, Problem("Media", given, "TikTok takes one video", "Attach exactly one video.")]
        return [*problems, *_check_video(content.media[0])]

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        return {}

    def publish(self, job: Job) -> Flow:
        """A direct post, or a draft into the creator's inbox; by file or, if so set, fetched by TikTok."""
        creator = None if job.content.format is Format.DRAFT else (yield from _creator(job))
        way = _publish_pull if job.options.get("tiktok_source") == "pull" else _publish_file
        post = yield from way(job, creator)
        if "publish_id" not in post:  # found again in the list of videos
            return Published(post_id=post["video_id"], permalink=post["permalink"])
        return (
            yield from _published(job.content, post["publish_id"], creator["username"] if creator else "")
        )

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        """Asks for the publish_id; where its answer was lost, looks through the account's public videos."""
        if "init" not in sent.steps:
            return (yield from self._look_in_list(sent.content, sent.opened_ms))
        publish_id = sent.steps["init"]["publish_id"]
        outcome = yield from _status("look", publish_id, _outcome, keep_s=0.0)
        status, uploaded = outcome["status"], outcome["uploaded"]
        total = sent.content.media[0].size_bytes
        note = f"TikTok says {status}" + (f", {uploaded} of {total} bytes" if uploaded is not None else "")
        match status:
            case "FAILED":
                return Finding(Look.DEAD, note=f"{note}: {outcome['reason']}.")
            case "PUBLISH_COMPLETE" | "SEND_TO_USER_INBOX" | "PROCESSING_DOWNLOAD":
                look = Look.FOUND
            case "PROCESSING_UPLOAD" if isinstance(uploaded, int):
                look = Look.FOUND if uploaded >= total else Look.UNUSED
            case _:
                look = Look.UNCLEAR
        return Finding(look, {"publish_id": publish_id} if look is Look.FOUND else None, f"{note}.")

    def refresh(self, credential: Credential) -> Flow:
        """Trades the refresh token for a new pair; the old one may stop working with it (TikTok: manage user
        access tokens). The endpoint answers flatly, and some saw its errors under HTTP 200."""
        form = (
            ("client_key", credential.app_id),
            ("client_secret", credential.app_secret),
            ("grant_type", "refresh_token"),
            ("refresh_token", credential.refresh_token),
        )
        request = Request("tiktok", "POST", "/v2/oauth/token/", Auth.NONE, form=form)
        return Renewed(**(yield from step("refresh", request, _renewed, keep_s=0.0)))

    def search(self, job: Job, lost: Lost) -> Flow:
        """The account's public videos. Private ones and drafts are listed nowhere: absence proves nothing."""
        draft = lost.content.format is Format.DRAFT
        if "init" in lost.steps:
            kept = yield from _status("look-kept", lost.steps["init"]["publish_id"], _outcome, keep_s=0.0)
            state = State.WAITING_IN_APP if draft else State.PUBLISHED
            if kept["status"] in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX"):
                published = Published(state, post_id=next(iter(kept["ids"]), None))
                return Finding(Look.FOUND, note=f"TikTok says {kept['status']}.", published=published)
        if draft:
            return Finding(Look.ABSENT, note="TikTok lists no drafts: the creator looks there.", resend=False)
        finding: Finding = yield from self._look_in_list(lost.content, lost.since_ms, lost.owned)
        if finding.look is not Look.FOUND:
            return finding
        video = finding.value
        return replace(finding, published=Published(post_id=video["video_id"], permalink=video["permalink"]))

    def _look_in_list(self, content: Content, opened_ms: int, owned: frozenset[str] = frozenset()) -> Flow:
        request = _ask(
            "/v2/video/list/",
            {"max_count": 20},
            query=(("fields", "id,create_time,title,video_description,share_url"),),
        )
        found = yield from step("look", request, _listed(content, opened_ms), keep_s=0.0)
        found = [video for video in found if video["video_id"] not in owned]
        if len(found) == 1 and content.text.strip():
            return Finding(Look.FOUND, found[0], f"TikTok lists the video as {found[0]['video_id']}.")
        if found:
            return Finding(
                Look.UNCLEAR, None, f"TikTok lists {len(found)} videos that may be it.", resend=False
            )
        return Finding(
            Look.ABSENT,
            note="TikTok does not list the video; it may still fetch it, and private ones are not listed.",
            resend=False,
        )


def _renewed(response: Response) -> dict[str, Any]:
    body = response.json()
    if not isinstance(body, dict) or body.get("error") or not word(body.get("access_token")):
        raise raise_for(response, Phase.ARM)
    return {
        "access_token": word(body["access_token"]),
        "expires_in_s": seconds(body.get("expires_in")),
        "refresh_token": word(body.get("refresh_token")) or None,
        "refresh_expires_in_s": seconds(body.get("refresh_expires_in")),
    }


CONVERSATION: Conversation = TikTok()
