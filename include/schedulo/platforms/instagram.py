"""Instagram: images and reels, through a container that is prepared before and published at the due second.

Sources: Meta's content publishing guide and its IG User media, IG Container and IG Media references. An
account is reached through Instagram (Instagram Login) or through its Facebook Page (Facebook Login); the
calls are the same on another host, and only the second takes bytes instead of an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from schedulo.accepts import Rules
from schedulo.errors import Phase, PlatformError
from schedulo.flow import (
    Finding,
    Flow,
    Job,
    Look,
    Lost,
    NotReady,
    Request,
    Response,
    Sent,
    commit,
    due,
    step,
)
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Problem, Published
from schedulo.platforms import graph
from schedulo.platforms.base import Conversation, Credential, Renewed, cannot_renew, seconds
from schedulo.platforms.graph import Graph
from schedulo.text import hashtags, mentions, utf16_length
from schedulo.words import word

MIB = 1024 * 1024
MB = 1_000_000
CAPTION_CHARS = 2200
CAPTION_HASHTAGS = 30
CAPTION_MENTIONS = 20
ALT_TEXT_CHARS = 1000
IMAGE_BYTES = 8 * MIB  # the table says MB, the refusal MiB
IMAGE_ASPECT = (0.8, 1.91)
REEL_BYTES = 300 * MB
REEL_ASPECT = (0.01, 10.0)
REEL_COLUMNS = 1920
REEL_MS = (3_000, 15 * 60_000)
REEL_TYPES = ("video/mp4", "video/quicktime")

STATUS_KEEP_S = 600.0
"""A container may expire or fail after it was ready: an older answer is asked for again."""
FIND_MARGIN_S = 60
SEVEN_DIGITS = re.compile(r"\b22\d{5}\b")

GRAPH = Graph(Platform.INSTAGRAM)


class Login(StrEnum):
    INSTAGRAM = "instagram_login"
    FACEBOOK = "facebook_login"

    @property
    def service(self) -> str:
        return "instagram" if self is Login.INSTAGRAM else "facebook"


class Container(StrEnum):
    """A container's `status_code`, and what we call one that the token may not read."""

    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    PUBLISHED = "PUBLISHED"
    ERROR = "ERROR"
    EXPIRED = "EXPIRED"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a format is called on its way in and when it is read back, and how often to ask in between."""

    media_type: str | None
    product_type: str
    poll_s: float


# Meta: IG User media (parameters), IG Media (fields). Meta's own sample asks every 3 s.
KINDS = {
    Format.IMAGE: Kind(None, "FEED", 3.0),
    Format.REEL: Kind("REELS", "REELS", 10.0),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account's calls go."""

    service: str
    version: str
    user: str

    @classmethod
    def of(cls, job: Job) -> Place:
        login = Login(job.account.options["login"])
        return cls(login.service, job.options["meta_version"], job.account.account_id)

    def get(self, path: str, **query: str | int | bool | None) -> Request:
        return graph.get(self.service, f"/{self.version}/{path}", **query)

    def post(self, path: str, timeout_s: float = 30.0, **form: str | int | bool | None) -> Request:
        return graph.post(self.service, f"/{self.version}/{path}", timeout_s, **form)


class Instagram:
    platform = Platform.INSTAGRAM

    def check(self, account: Account, content: Content, *, public_media: bool) -> Sequence[Problem]:
        return list(_problems(account, content, public_media))

    def accepts(self, account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
        return {}

    def publish(self, job: Job) -> Flow:
        """Container, processing, `Due`, media_publish, permalink."""
        place, content = Place.of(job), job.content
        container = yield from _container(job, place)
        status = yield from step(
            f"ready-{container['id']}",
            place.get(container["id"], fields="status_code,status"),
            partial(_ready, KINDS[content.format].poll_s),
            keep_s=STATUS_KEEP_S,
        )
        more = bool(content.first_comment)
        if status == Container.PUBLISHED:  # by an earlier life of this ledger: it is out, publish nothing
            media = yield from _find(place, content, container["since"])
            return (yield from _published(place, media, "its container was published before"))
        yield from due()
        media = yield from commit(
            "post",
            place.post(f"{place.user}/media_publish", graph.COMMIT_TIMEOUT_S, creation_id=container["id"]),
            _accepted,
            more=more,
        )
        if media is None:
            media = yield from _find(place, content, container["since"])
        published = yield from _published(place, media)
        if not more:
            return published
        if media is None:
            return replace(published, note=f"{published.note}; its first comment could not be written")
        request = place.post(f"{media}/comments", message=content.first_comment)
        return (yield from graph.first_comment(GRAPH, request, published))

    def reconcile(self, job: Job, sent: Sent) -> Flow:
        """The container's status first, then what is on the account since the write was opened."""
        place = Place.of(job)
        if sent.name == graph.COMMENT:
            request = place.get(
                sent.request.path.removeprefix(f"/{place.version}/"), fields="id,text", limit=50
            )
            return (yield from graph.look_for_comment(GRAPH, request, sent))
        container = dict(sent.request.form or ())["creation_id"]
        status = yield from step(
            "look-status",
            place.get(container, fields="status_code,status"),
            _status,
            keep_s=graph.LOOK_KEEP_S,
        )
        since = sent.opened_ms // 1000 - FIND_MARGIN_S
        try:
            seen = yield from _seen("look-media", place, sent.content, since)
        except PlatformError as error:
            return _verdict(Container(status), None, f"the account's list cannot be read ({error.code})")
        return _verdict(Container(status), seen)

    def search(self, job: Job, lost: Lost) -> Flow:
        """The account's media with this caption; the container that was kept, if it is published."""
        place = Place.of(job)
        status = Container.UNREADABLE
        if (kept := lost.steps.get("container")) is not None:
            request = place.get(kept["id"], fields="status_code,status")
            told = yield from step("look-status", request, _status, keep_s=graph.LOOK_KEEP_S)
            status = Container(told)
        seen = yield from _seen("look-media", place, lost.content, lost.since_ms // 1000, lost.owned)
        finding = _verdict(status, seen)
        if finding.look is Look.FOUND:
            published = yield from _published(place, finding.value)
            return replace(finding, published=published)
        if not (seen.sure or seen.maybe):
            return Finding(Look.ABSENT, note="no post on the account since then has this caption")
        return finding

    def refresh(self, credential: Credential) -> Flow:
        """60 more days for a login by Instagram that is at least a day old and has not expired; one by a Page
        has no end of its own (Meta: refresh_access_token)."""
        if credential.refused:
            raise cannot_renew(credential.account, "a login that is no longer accepted cannot be renewed")
        if credential.account.options.get("login") != Login.INSTAGRAM:
            return None
        request = graph.get("instagram", "/refresh_access_token", grant_type="ig_refresh_token")
        return Renewed(**(yield from step("refresh", request, _renewed, keep_s=0.0)))


def _renewed(response: Response) -> dict[str, Any]:
    token = GRAPH.text(response, "access_token")
    return {"access_token": token, "expires_in_s": seconds((response.json() or {}).get("expires_in"))}


CONVERSATION: Conversation = Instagram()


def _container(job: Job, place: Place) -> Flow:
    """The container of the post with its media on the way; `since` is when it was made, by Meta's clock."""
    content, (media,) = job.content, job.content.media
    url = job.media_url(media)
    by_bytes = content.format is Format.REEL and (
        url is None or job.options.get("ig_upload", "url") == "resumable"
    )
    by_bytes = by_bytes and job.account.options["login"] == Login.FACEBOOK
    image = media.kind is MediaKind.IMAGE
    container = yield from step(
        "container",
        place.post(
            f"{place.user}/media",
            media_type=KINDS[content.format].media_type,
            image_url=url if image else None,
            video_url=None if image or by_bytes else url,
            upload_type="resumable" if by_bytes else None,
            caption=content.text or None,
            alt_text=(media.alt_text or None) if image else None,
            share_to_feed=None if image else content.options.get("share_to_feed"),
            thumb_offset=None if image else content.options.get("thumb_offset"),
        ),
        lambda response: {"id": GRAPH.text(response, "id"), "since": response.date_s},
        keep_s=graph.HANDLE_KEEP_S,
    )
    if by_bytes:
        yield from graph.upload(GRAPH, f"/ig-api-upload/{place.version}", container["id"], media)
    return container


def _status(response: Response) -> str:
    """The container's status. Reads fail for some tokens while publishing works: UNREADABLE, not an error."""
    try:
        return Container(GRAPH.text(response, "status_code", Phase.READ)).value
    except PlatformError as error:
        if graph.unreadable(error):
            return Container.UNREADABLE.value
        raise
    except ValueError:
        raise GRAPH.unfit(response, "a status_code that Meta does not list") from None


def _ready(poll_s: float, response: Response) -> str:
    status = Container(_status(response))
    match status:
        case Container.IN_PROGRESS:
            raise NotReady(poll_s, "Instagram is processing the media")
        case Container.ERROR | Container.EXPIRED:
            sentence = str(GRAPH.data(response, Phase.READ).get("status", ""))
            number = SEVEN_DIGITS.search(sentence)
            subcode = number[0] if number else ""
            raise GRAPH.error(Phase.READ, 200, status, subcode, sentence, final=True)
        case _:
            # UNREADABLE goes on too: publishing what is not ready is refused without any harm.
            return status.value


def _accepted(response: Response) -> str | None:
    return word(GRAPH.accepted(response).get("id")) or None


def _published(place: Place, media: str | None, note: str = "") -> Flow:
    """The end of a post that is out; nothing from here on can take that back."""
    if media is None:
        missing = "Instagram took the post but its id is not known"
        return Published(note=f"{note}; {missing}" if note else missing)
    try:
        page = yield from step(
            "permalink",
            place.get(media, fields="id,permalink,timestamp"),
            partial(GRAPH.data, phase=Phase.READ),
        )
    except PlatformError as error:
        return Published(post_id=media, note=note or f"the link could not be read ({error.code})")
    published_s = graph.epoch_s(page.get("timestamp"))
    return Published(
        post_id=media,
        permalink=word(page.get("permalink")) or None,
        published_ms=None if published_s is None else int(published_s * 1000),
        note=note,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """Media on the account since a time, of the right product: `sure` has our caption; `maybe` is without a
    readable caption, or ours has none."""

    sure: tuple[str, ...]
    maybe: tuple[str, ...]

    def unique(self) -> str | None:
        """The one that must be ours if the post is known to be out."""
        candidates = self.sure or self.maybe
        return candidates[0] if len(candidates) == 1 else None


def _seen(
    name: str, place: Place, content: Content, since: float, owned: frozenset[str] = frozenset()
) -> Flow:
    fields = "id,caption,media_type,media_product_type,timestamp"
    request = place.get(f"{place.user}/media", fields=fields, since=int(since), limit=50)
    items = yield from GRAPH.items(name, request)
    if items is None:
        raise GRAPH.error(Phase.READ, 200, text="the account's list does not end")
    product, caption = KINDS[content.format].product_type, graph.normalised(content.text)
    sure, maybe = [], []
    for item in items:
        at_s = graph.epoch_s(item.get("timestamp"))
        if item.get("media_product_type") != product or (at_s is not None and at_s < int(since)):
            continue
        if str(item["id"]) in owned:
            continue
        if not caption or "caption" not in item:
            if graph.normalised(item.get("caption", "")) in ("", caption):
                maybe.append(str(item["id"]))
        elif graph.normalised(item["caption"]) == caption:
            sure.append(str(item["id"]))
    return Seen(tuple(sure), tuple(maybe))


def _find(place: Place, content: Content, since: float | None) -> Flow:
    """The media id of a post that is known to be out; None where it cannot be told apart."""
    if since is None:
        return None
    try:
        # A name of its own: what a look kept before may be from before the post was listed.
        seen = yield from _seen("find", place, content, since)
    except PlatformError:
        return None
    return seen.unique()


def _verdict(status: Container, seen: Seen | None, trouble: str = "") -> Finding:
    said = f"container {status.value.lower()}"
    if status is Container.PUBLISHED:
        return Finding(Look.FOUND, seen.unique() if seen else None, said)
    if seen is None:
        return Finding(Look.UNCLEAR, note=f"{said}; {trouble}")
    if len(seen.sure) == 1:
        return Finding(Look.FOUND, seen.sure[0], f"{said}; one post with this caption is on the account")
    if seen.sure or seen.maybe:
        return Finding(Look.UNCLEAR, note=f"{said}; posts on the account cannot be told apart")
    said += "; no such post on the account"
    match status:
        case Container.FINISHED:
            return Finding(Look.UNUSED, note=said)
        case Container.ERROR | Container.EXPIRED:
            return Finding(Look.DEAD, note=said)
        case _:
            return Finding(Look.UNCLEAR, note=said)


def _problems(account: Account, content: Content, public_media: bool) -> Iterator[Problem]:
    """All `Problem`s, one by one."""
    login = account.options.get("login")
    if login not in set(Login):
        remedy = "The operator sets how the account is connected"
        yield Problem("account", str(login), f"login must be {' or '.join(Login)}", remedy)
    if content.format not in KINDS:
        yield Problem("format", content.format, "not possible on Instagram", "Choose image or reel")
        return
    yield from _caption_problems(content.text)
    yield from graph.comment_problems(content)
    wanted = MediaKind.IMAGE if content.format is Format.IMAGE else MediaKind.VIDEO
    if [media.kind for media in content.media] != [wanted]:
        shown = ", ".join(media.kind for media in content.media) or "nothing"
        yield Problem("media", shown, f"must be exactly one {wanted}", f"Attach one {wanted}")
        return
    media = content.media[0]
    if wanted is MediaKind.IMAGE:
        yield from _image_problems(media)
    else:
        yield from _reel_problems(media, content.options)
    if not public_media and (wanted is MediaKind.IMAGE or login != Login.FACEBOOK):
        yield Problem(
            "media",
            media.filename,
            "Instagram fetches this from a public address and none is set up",
            "The operator sets SCHEDULO_MEDIA_BASE_URL",
        )


def _caption_problems(text: str) -> Iterator[Problem]:
    for value, limit, what in (
        # Meta does not say what a character is: UTF-16 units are the most it can count.
        (utf16_length(text), CAPTION_CHARS, "characters"),
        (len(hashtags(text)), CAPTION_HASHTAGS, "hashtags"),
        (len(mentions(text)), CAPTION_MENTIONS, "mentions"),
    ):
        if value > limit:
            yield Problem("text", f"{value} {what}", f"at most {limit} {what}", "Shorten the caption")


def _image_problems(media: Media) -> Iterator[Problem]:
    if media.content_type != "image/jpeg":
        yield Problem("media", media.content_type, "must be a JPEG image", "Export it as JPEG")
    if media.size_bytes > IMAGE_BYTES:
        yield _too_big(media, IMAGE_BYTES)
    if len(media.alt_text) > ALT_TEXT_CHARS:
        shown = f"{len(media.alt_text)} characters"
        yield Problem("alt text", shown, f"at most {ALT_TEXT_CHARS} characters", "Shorten it")
    yield from _aspect_problems(media, IMAGE_ASPECT, "between 4:5 and 1.91:1")


def _reel_problems(media: Media, options: Mapping[str, Any]) -> Iterator[Problem]:
    if media.content_type not in REEL_TYPES:
        yield Problem("media", media.content_type, "must be an MP4 or MOV video", "Export it as MP4")
    if media.size_bytes > REEL_BYTES:
        yield _too_big(media, REEL_BYTES)
    if media.duration_ms and not REEL_MS[0] <= media.duration_ms <= REEL_MS[1]:
        shown = f"{media.duration_ms / 1000:g} s"
        yield Problem("media", shown, "a reel lasts from 3 seconds to 15 minutes", "Cut the video")
    if media.width > REEL_COLUMNS:
        yield Problem("media", f"{media.width} wide", f"at most {REEL_COLUMNS} pixels wide", "Scale it down")
    yield from _aspect_problems(media, REEL_ASPECT, "between 0.01:1 and 10:1")
    offset = options.get("thumb_offset")
    if offset is not None and not (
        isinstance(offset, int) and 0 <= offset < (media.duration_ms or float("inf"))
    ):
        rule = "must be a whole number of milliseconds within the video"
        yield Problem("thumb_offset", str(offset), rule, "Choose a moment of the video")


def _aspect_problems(media: Media, bounds: tuple[float, float], rule: str) -> Iterator[Problem]:
    if not (media.width and media.height):
        return
    if not bounds[0] <= media.width / media.height <= bounds[1]:
        shown = f"{media.width}x{media.height}"
        yield Problem("media", shown, f"width to height must be {rule}", "Crop it")


def _too_big(media: Media, limit_bytes: int) -> Problem:
    shown, rule = f"{media.size_bytes / MB:.1f} MB", f"at most {limit_bytes / MB:.1f} MB"
    return Problem("media", shown, rule, "Save it smaller")
