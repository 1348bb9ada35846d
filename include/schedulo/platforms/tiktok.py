"""TikTok: how a video, pictures or a draft are made there, and what became of one.

Uses the Content Posting API v2. A video is sent in chunks and the last chunk is the commit (`tiktok_file`).
Pictures are always fetched by TikTok, and videos where it is so set: then the request that begins the post is
the commit, its answer is the only handle, and when that is lost it is never sent again. Ids are 64-bit
numbers and travel as strings here. What TikTok takes is `tiktok_accepts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from schedulo.accepts import Rules
from schedulo.errors import Kind, Phase, PlatformError, Scope, diagnose
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
    commit,
    due,
    step,
)
from schedulo.model import Account, Content, Format, MediaKind, Platform, Problem, Published, State
from schedulo.platforms import tiktok_accepts
from schedulo.platforms.base import Conversation, Credential, Inquiry, Renewed, scopes_of, seconds
from schedulo.platforms.tiktok_accepts import (
    ACCEPTS,
    ALLOWANCES,
    DRAFTS,
    PHOTOS,
    allowances,
    creator_problems,
)
from schedulo.platforms.tiktok_calls import ask, data_of, error_of, raise_for, refuse
from schedulo.platforms.tiktok_file import publish_file
from schedulo.words import word

CREATOR_KEEP_S = 3600.0
POLL_S = 5.0
PUBLIC_ID_POLL_S = 10.0
PUBLIC_ID_PATIENCE_S = 45.0
"""How long after PUBLISH_COMPLETE the public id is waited for: moderation mostly takes less than a minute."""
CLOCK_MARGIN_S = 60
MOST_TOLD = 5
"""So many posts that TikTok told of are looked at for one of unknown outcome."""

VIDEO_INIT = "/v2/post/publish/video/init/"
VIDEO_DRAFT_INIT = "/v2/post/publish/inbox/video/init/"
PHOTO_INIT = "/v2/post/publish/content/init/"

Creator = Mapping[str, Any]
"""Of the account, as TikTok said it last: `username`, `levels`, `max_s`, `off`."""


# Before the post


def _creator(name: str, keep_s: float) -> Flow:
    """Who posts and what TikTok allows them now."""

    def read(response: Response) -> dict[str, Any]:
        data = data_of(response, Phase.ARM)
        return {
            "username": str(data.get("creator_username") or ""),
            "levels": [str(level) for level in data.get("privacy_level_options") or ()],
            "max_s": int(data.get("max_video_post_duration_sec") or 0),
            "off": [name for name in ALLOWANCES if data.get(f"{name}_disabled")],
        }

    return step(name, ask("/v2/post/publish/creator_info/query/"), read, keep_s)


def _allowed(content: Content, creator: Creator) -> None:
    """Refuses what the account does not allow, before anything is sent."""
    for problem in creator_problems(content, creator):
        if not problem.warning:
            kind = Kind.MEDIA_REJECTED if problem.field == "Media" else Kind.CONTENT_REJECTED
            raise refuse(kind, problem.sentence())


def _post_info(content: Content, creator: Creator) -> dict[str, Any]:
    """What a direct post says of itself, whatever it shows."""
    options = content.options
    info: dict[str, Any] = {
        "privacy_level": options["privacy_level"],
        "brand_content_toggle": bool(options.get("brand_content_toggle")),
        "brand_organic_toggle": bool(options.get("brand_organic_toggle")),
    }
    for name in allowances(content.format):
        info[f"disable_{name}"] = name in creator["off"] or bool(options.get(f"disable_{name}", True))
    return info


def _begin_video(content: Content, creator: Creator | None, source: Mapping[str, Any]) -> Request:
    if creator is None:
        return ask(VIDEO_DRAFT_INIT, {"source_info": source})
    options = content.options
    info = {"title": content.text, **_post_info(content, creator)}
    if options.get("is_aigc") is not None:
        info["is_aigc"] = bool(options["is_aigc"])
    if options.get("video_cover_timestamp_ms") is not None:
        info["video_cover_timestamp_ms"] = int(options["video_cover_timestamp_ms"])
    return ask(VIDEO_INIT, {"post_info": info, "source_info": source})


def _begin_photos(content: Content, creator: Creator | None, urls: Sequence[str]) -> Request:
    """A draft takes the texts along; everything else is chosen in the app (TikTok: photo)."""
    options = content.options
    texts = {"title": options.get("title"), "description": content.text}
    info: dict[str, Any] = {name: text for name, text in texts.items() if text}
    body: dict[str, Any] = {
        "media_type": "PHOTO",
        "post_mode": "MEDIA_UPLOAD",
        "post_info": info,
        "source_info": {
            "source": "PULL_FROM_URL",
            "photo_images": list(urls),
            "photo_cover_index": int(options.get("photo_cover_index") or 0),
        },
    }
    if creator is not None:
        info.update(_post_info(content, creator), auto_add_music=bool(options.get("auto_add_music")))
        body["post_mode"] = "DIRECT_POST"
        if options.get("is_aigc") is not None:
            body["is_aigc"] = bool(options["is_aigc"])
    return ask(PHOTO_INIT, body)


def _fetched(job: Job, format_: Format) -> bool:
    """Whether TikTok fetches such media itself, rather than being sent them."""
    return format_ in PHOTOS or job.options.get("tiktok_source") == "pull"


def _about_addresses(job: Job) -> Scope:
    """Where addresses are wrong, videos that are sent as files go out all the same."""
    return Scope.PLATFORM if _fetched(job, Format.VIDEO) else Scope.DELIVERY


def _publish_pull(job: Job, creator: Creator | None) -> Flow:
    """TikTok fetches the media, and the request that says so publishes. The value is `{"publish_id"}`."""
    content = job.content
    urls = [url for media in content.media if (url := job.media_url(media)) is not None]
    if len(urls) < len(content.media):
        raise refuse(
            Kind.CONFIGURATION,
            "TikTok is to fetch the media, and stored media have no address: the operator sets "
            "SCHEDULO_MEDIA_BASE_URL",
            _about_addresses(job),
        )
    yield from due()

    def begun(response: Response) -> dict[str, str]:
        try:
            return {"publish_id": str(data_of(response, Phase.COMMIT, "publish_id")["publish_id"])}
        except PlatformError as error:
            if (error.kind, error.scope) == (Kind.CONFIGURATION, Scope.PLATFORM):
                error.diagnosis = replace(error.diagnosis, scope=_about_addresses(job))
            raise

    if content.format in PHOTOS:
        request = _begin_photos(content, creator, urls)
    else:
        request = _begin_video(content, creator, {"source": "PULL_FROM_URL", "video_url": urls[0]})
    return (yield from commit("post", request, begun, live=False))


# What became of it


def _status(name: str, publish_id: str, read: Read, keep_s: float | None = None) -> Flow:
    return step(name, ask("/v2/post/publish/status/fetch/", {"publish_id": publish_id}), read, keep_s)


def _outcome(response: Response) -> dict[str, Any]:
    data = data_of(response, Phase.READ)
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
            raise error_of(replace(diagnosis, refusal=True), response, reason, "")
        case status:
            raise NotReady(POLL_S, f"TikTok is working on the post ({status})")


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


def _published(content: Content, publish_id: str, creator: Creator | None) -> Flow:
    outcome = yield from _status("status", publish_id, _final)
    if outcome["status"] == "SEND_TO_USER_INBOX":
        return Published(State.WAITING_IN_APP, note=_WAITING[content.format])
    post_id = outcome["ids"][0] if outcome["ids"] else ""
    private = content.options.get("privacy_level") == "SELF_ONLY"
    if not post_id and not private:
        try:
            post_id = yield from _status("public-id", publish_id, _public_id(outcome["date_s"]))
        except PlatformError:
            post_id = ""  # it is out; only its name is missing
    known = creator_problems(content, creator) if creator else ()
    notes = [problem.sentence() for problem in known if problem.warning]
    if not post_id:
        reason = "a private post has none" if private else "it is named once moderation is over"
        return Published(note=" ".join([f"TikTok has published it and gives no link: {reason}.", *notes]))
    permalink = _permalink(content.format, creator["username"] if creator else "", post_id)
    return Published(post_id=post_id, permalink=permalink, note=" ".join(notes))


_WAITING = {
    Format.DRAFT: "The video waits in TikTok's inbox; open the app, add the text there and post it.",
    Format.IMAGES_DRAFT: "The pictures wait in TikTok's inbox; open the app and post them there.",
}


def _permalink(format_: Format, username: str, post_id: str) -> str | None:
    kind = "photo" if format_ in PHOTOS else "video"
    return f"https://www.tiktok.com/@{username}/{kind}/{post_id}" if username else None


_LIST_FIELDS = (("fields", "id,create_time,title,video_description,share_url"),)


def named(content: Content, publish_id: str, username: str) -> Flow:
    """The id and the link of a post of which TikTok told that it is public: `Published`, or None where TikTok
    does not say so when it is asked.

    :param username: of the account, where it is known; else TikTok is asked for the link
    """
    outcome = yield from _status("told", publish_id, _outcome, keep_s=0.0)
    if outcome["status"] != "PUBLISH_COMPLETE" or not outcome["ids"]:
        return None
    post_id = outcome["ids"][0]
    permalink = _permalink(content.format, username, post_id)
    if permalink is None:
        request = ask("/v2/video/query/", {"filters": {"video_ids": [post_id]}}, query=_LIST_FIELDS)
        with suppress(PlatformError):  # it has its id; the login may not be allowed to read the link
            permalink = yield from step("told-link", request, _link_of(post_id), keep_s=0.0)
    return Published(post_id=post_id, permalink=permalink)


def _link_of(post_id: str) -> Read:
    def read(response: Response) -> str | None:
        videos = data_of(response, Phase.READ).get("videos") or ()
        return next((video.get("share_url") for video in videos if str(video["id"]) == post_id), None)

    return read


def _listed(content: Content, opened_ms: int) -> Read:
    """The posts of the account that may be the one of a lost init: `[{"video_id", "permalink"}]`.

    With pictures, TikTok does not say how it shows title and description there: alone or in a row.
    """
    since_s = opened_ms / 1000 - CLOCK_MARGIN_S
    title = str(content.options.get("title") or "") if content.format in PHOTOS else ""
    wanted = {" ".join(text.split()) for text in (content.text or title, f"{title} {content.text}")}

    def read(response: Response) -> list[dict[str, Any]]:
        return [
            {"video_id": str(video["id"]), "permalink": video.get("share_url")}
            for video in data_of(response, Phase.READ).get("videos") or ()
            if video.get("create_time", 0) >= since_s
            and not wanted.isdisjoint(
                " ".join(str(video.get(name) or "").split()) for name in ("title", "video_description")
            )
        ]

    return read


def _told_of(job: Job, sent: Sent) -> Flow:
    """The one whose init had no answer, among those that TikTok told of: a `Finding`, or None.

    TikTok speaks to us of our app's posts alone, but another program may use that app. It is ours where the
    public post has its words, or where the operator says that nobody else uses the app and there is but one.
    """
    done: list[tuple[str, Sequence[str]]] = []
    for hint in [one for one in sent.told if one.direct != (sent.content.format in DRAFTS)][:MOST_TOLD]:
        try:
            outcome = yield from _status(f"look-told-{hint.handle}", hint.handle, _outcome, keep_s=0.0)
        except PlatformError:
            continue  # it proves nothing; the list may
        others = not sent.owned.isdisjoint(outcome["ids"])  # found in a list, which tells no handle
        if outcome["status"] in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX") and not others:
            done.append((hint.handle, outcome["ids"]))
    if ids := [post_id for _, found in done for post_id in found]:
        request = ask("/v2/video/query/", {"filters": {"video_ids": ids}}, query=_LIST_FIELDS)
        shown = yield from step("look-told", request, _listed(sent.content, sent.opened_ms), keep_s=0.0)
        same = {video["video_id"] for video in shown}
        matching = [handle for handle, found in done if not same.isdisjoint(found)]
        if len(matching) == 1 and _words(sent.content):
            note = f"TikTok told of {matching[0]}, and its post has these words."
            return Finding(Look.FOUND, {"publish_id": matching[0]}, note)
    if job.options.get("tiktok_app_alone") and len(done) == 1:
        note = f"TikTok told of {done[0][0]}, the only post since that no answer belongs to."
        return Finding(Look.FOUND, {"publish_id": done[0][0]}, note)
    return None


def _words(content: Content) -> str:
    """What a post can be told by in a list."""
    return content.text.strip() or str((content.format in PHOTOS and content.options.get("title")) or "")


class TikTok:
    """TikTok's side of `Conversation`."""

    platform: Platform = Platform.TIKTOK

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        """What is wrong with a post before anybody is asked; what the account allows, `publish` asks.

        A draft has no settings: the creator chooses them in the app.
        """
        return list(tiktok_accepts.problems(account, content, public_media=public_media))

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        """TikTok: media transfer guide."""
        return ACCEPTS.get(format_, {})

    def publish(self, job: Job) -> Flow:
        """A direct post, or a draft into the creator's inbox; fetched by TikTok, or by file."""
        content = job.content
        creator = None
        if content.format not in DRAFTS:
            creator = yield from _creator("creator", CREATOR_KEEP_S)
            _allowed(content, creator)
        if _fetched(job, content.format):
            post = yield from _publish_pull(job, creator)
        else:
            post = yield from publish_file(job, partial(_begin_video, content, creator))
        if "publish_id" not in post:  # found again in the list of videos
            return Published(post_id=post["video_id"], permalink=post["permalink"])
        return (yield from _published(content, post["publish_id"], creator))

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        """Asks for the publish_id; where its answer was lost, looks at what TikTok told of by itself, then
        through the account's public videos."""
        if "init" not in sent.steps or sent.content.format in PHOTOS:
            told: Finding | None = yield from _told_of(job, sent)
            return told or (yield from self._look_in_list(sent.content, sent.opened_ms, sent.owned))
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
        draft = lost.content.format in DRAFTS
        if "init" in lost.steps and lost.content.format not in PHOTOS:
            kept = yield from _status("look-kept", lost.steps["init"]["publish_id"], _outcome, keep_s=0.0)
            state = State.WAITING_IN_APP if draft else State.PUBLISHED
            if kept["status"] in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX"):
                published = Published(state, post_id=next(iter(kept["ids"]), None))
                return Finding(Look.FOUND, note=f"TikTok says {kept['status']}.", published=published)
        finding: Finding = yield from self._look_in_list(lost.content, lost.since_ms, lost.owned)
        if finding.look is not Look.FOUND:
            return finding
        video = finding.value
        return replace(finding, published=Published(post_id=video["video_id"], permalink=video["permalink"]))

    def _look_in_list(self, content: Content, opened_ms: int, owned: frozenset[str]) -> Flow:
        if content.format in DRAFTS:
            return Finding(Look.ABSENT, note="TikTok lists no drafts: the creator looks there.", resend=False)
        request = ask("/v2/video/list/", {"max_count": 20}, query=_LIST_FIELDS)
        found = yield from step("look", request, _listed(content, opened_ms), keep_s=0.0)
        found = [video for video in found if video["video_id"] not in owned]
        if len(found) == 1 and _words(content):
            return Finding(Look.FOUND, found[0], f"TikTok lists the post as {found[0]['video_id']}.")
        if found:
            note = f"TikTok lists {len(found)} posts that may be it."
            return Finding(Look.UNCLEAR, None, note, resend=False)
        unlisted = "private ones and pictures" if content.format in PHOTOS else "private ones"
        note = f"TikTok does not list the post; it may still fetch it, and {unlisted} may not be listed."
        return Finding(Look.ABSENT, note=note, resend=False)


def _renewed(response: Response) -> dict[str, Any]:
    body = response.json()
    if not isinstance(body, dict) or body.get("error") or not word(body.get("access_token")):
        raise raise_for(response, Phase.ARM)
    return {
        "access_token": word(body["access_token"]),
        "expires_in_s": seconds(body.get("expires_in")),
        "refresh_token": word(body.get("refresh_token")) or None,
        "refresh_expires_in_s": seconds(body.get("refresh_expires_in")),
        "scopes": scopes_of(body.get("scope")),
    }


CONVERSATION: Conversation = TikTok()
INQUIRY = Inquiry(frozenset(ACCEPTS) - frozenset(DRAFTS), partial(_creator, "creator-ahead", 0.0))
