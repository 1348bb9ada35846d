"""How a post of Instagram is prepared: its quota, its container with the media on the way, its status.

Sources: Meta's content publishing guide and its IG User media, IG Container and content_publishing_limit
references.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from schedulo.errors import Kind, Phase, PlatformError
from schedulo.flow import Flow, Job, NotReady, Request, Response, side_by_side, step
from schedulo.model import Content, Format, MediaKind, Platform
from schedulo.platforms import graph
from schedulo.platforms.graph import Graph
from schedulo.platforms.instagram_accepts import SHAPES, Login, tags_on

STATUS_KEEP_S = 600.0
"""A container may expire or fail after it was ready: an older answer is asked for again."""
SEVEN_DIGITS = re.compile(r"\b22\d{5}\b")

CONTAINER = "container"
"""What the steps are called, or begin with, that keep the container of a post."""
QUOTA_TOTAL = 50
"""Where the account's own total is not told (Meta: content_publishing_limit)."""
QUOTA_S = 86400
QUOTA_LOOKS = 10
"""How often the day is halved to find when the window frees: to a minute and a half."""

GRAPH = Graph(Platform.INSTAGRAM)
Form = dict[str, str | int | bool | None]


class Container(StrEnum):
    """A container's `status_code`, and what we call one that the token may not read."""

    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    PUBLISHED = "PUBLISHED"
    ERROR = "ERROR"
    EXPIRED = "EXPIRED"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class Names:
    """What a format is called on its way in, and when it is read back."""

    media_type: str | None
    product_type: str
    listed: str = "media"
    """The list that shows it."""


# Meta: IG User media (parameters), IG Media (fields).
NAMES = {
    Format.IMAGE: Names(None, "FEED"),
    Format.REEL: Names("REELS", "REELS"),
    Format.CAROUSEL: Names("CAROUSEL", "FEED"),
    Format.STORY: Names("STORIES", "STORY", "stories"),
}
POLL_S = {MediaKind.IMAGE: 3.0, MediaKind.VIDEO: 10.0}
"""How often to ask whether a file is processed. Meta's own sample asks every 3 s."""


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


def quota_left(place: Place) -> Flow:
    """Passes where the account may publish one more. Raises `PlatformError` of kind QUOTA_EXHAUSTED with the
    time until it may. What cannot be read stops nothing: Instagram itself refuses beyond the limit.
    """
    path = f"{place.user}/content_publishing_limit"
    request = place.get(path, fields="quota_usage,config")
    try:
        yield from step("quota", request, _has_room, keep_s=STATUS_KEEP_S)
    except PlatformError as error:
        if error.kind is not Kind.QUOTA_EXHAUSTED:
            raise
        usage = yield from step("quota-used", request, _usage, keep_s=graph.LOOK_KEEP_S)
        if usage is not None and usage["now"] is not None:
            error.wait_s = yield from _until_room(place, path, usage)
        raise


def _has_room(response: Response) -> bool:
    usage = _usage(response)
    if usage is None or usage["used"] < usage["total"]:
        return True
    text = f"{usage['used']} of {usage['total']} posts within a day"
    raise GRAPH.error(Phase.READ, response.status, "9", "2207042", text)


def _until_room(place: Place, path: str, usage: dict[str, Any]) -> Flow:
    """Seconds until the account may publish one more, by halving the day; None where that cannot be told.

    Each post counts for a day: those after `late` are few enough, those after `early` too many.
    """
    early, late = int(usage["now"]) - usage["window_s"], int(usage["now"])
    for _ in range(QUOTA_LOOKS):
        middle = (early + late) // 2
        request = place.get(path, fields="quota_usage", since=middle)
        then = yield from step(f"quota-{middle}", request, _usage, keep_s=graph.LOOK_KEEP_S)
        if then is None:
            return None
        early, late = (early, middle) if then["used"] < usage["total"] else (middle, late)
    return late + usage["window_s"] - usage["now"]


def _usage(response: Response) -> dict[str, Any] | None:
    """How much of its quota an account has used; None where that cannot be read."""
    body = response.json()
    rows = body.get("data") if response.ok and isinstance(body, dict) else None
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    used = row.get("quota_usage")
    config = row["config"] if isinstance(row.get("config"), dict) else {}
    if not isinstance(used, int):
        return None
    return {
        "used": used,
        "total": _number(config.get("quota_total"), QUOTA_TOTAL),
        "window_s": _number(config.get("quota_duration"), QUOTA_S),
        "now": response.date_s,
    }


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default


def container_of(job: Job, place: Place) -> Flow:
    """The container of the post with its media on the way; `since` is when it was made, by Meta's clock."""
    content = job.content
    names, options = NAMES[content.format], content.options
    form: Form = {"media_type": names.media_type, "is_ai_generated": options.get("is_ai_generated")}
    if content.format is Format.STORY:
        return (yield from _file(job, place, 0, CONTAINER, **form))
    form["caption"] = content.text or None
    if content.format is not Format.CAROUSEL:
        if content.format is Format.REEL:
            cover = job.media_url(content.cover) if content.cover else None
            form["cover_url"] = cover
            form["thumb_offset"] = None if cover else options.get("thumb_offset")
            form["share_to_feed"] = options.get("share_to_feed")
        return (yield from _file(job, place, 0, CONTAINER, **form))
    children = yield from side_by_side(*(_child(job, place, index) for index in range(len(content.media))))
    form["children"] = of = ",".join(children)
    # Named after its children: one made of others is not the container of these.
    name = f"{CONTAINER}-{hashlib.sha256(of.encode()).hexdigest()[:12]}"
    return (yield from _made(place, name, form))


def _child(job: Job, place: Place, index: int) -> Flow:
    """One item of a carousel, processed; its container's id."""
    video = job.content.media[index].kind is MediaKind.VIDEO
    form: Form = {"media_type": "VIDEO" if video else None, "is_carousel_item": True}
    child = yield from _file(job, place, index, f"child-{index + 1}", **form)
    poll_s = POLL_S[job.content.media[index].kind]
    # Once the carousel is made of it, the carousel's own status counts.
    yield from processed(place, child["id"], poll_s, graph.HANDLE_KEEP_S)
    return child["id"]


def _file(job: Job, place: Place, index: int, name: str, **form: str | int | bool | None) -> Flow:
    """A container of one file, which Instagram fetches from its address or gets in bytes."""
    media = job.content.media[index]
    image, url = media.kind is MediaKind.IMAGE, job.media_url(media)
    by_bytes = not image and (url is None or job.options.get("ig_upload", "url") == "resumable")
    by_bytes = by_bytes and job.account.options["login"] == Login.FACEBOOK
    if image:
        form["image_url"] = url
        if SHAPES[job.content.format].alt_texts:
            form["alt_text"] = media.alt_text or None
    elif by_bytes:
        form["upload_type"] = "resumable"
    else:
        form["video_url"] = url
    if tags := tags_on(job.content, index):
        form["user_tags"] = json.dumps(tags, ensure_ascii=False)
    container = yield from _made(place, name, form)
    if by_bytes:
        yield from graph.upload(GRAPH, f"/ig-api-upload/{place.version}", container["id"], media)
    return container


def _made(place: Place, name: str, form: Form) -> Flow:
    return (
        yield from step(
            name,
            place.post(f"{place.user}/media", 30.0, **form),
            lambda response: {"id": GRAPH.text(response, "id"), "since": response.date_s},
            keep_s=graph.HANDLE_KEEP_S,
        )
    )


def processed(place: Place, container: str, poll_s: float, keep_s: float) -> Flow:
    """The container's status when Instagram is done with it."""
    request = place.get(container, fields="status_code,status")
    return (yield from step(f"ready-{container}", request, partial(_ready, poll_s), keep_s=keep_s))


def poll_s_of(content: Content) -> float:
    """How often to ask whether the container of a post is processed; the files of a carousel are by then."""
    kind = MediaKind.IMAGE if content.format is Format.CAROUSEL else content.media[0].kind
    return POLL_S[kind]


def status_of(response: Response) -> str:
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
    status = Container(status_of(response))
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
