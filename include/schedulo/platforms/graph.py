"""Speaks the Graph API's dialect for Instagram and Facebook: requests, answers, errors, lists, captions.

Which calls make a post is left to the two platforms.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schedulo import text_rules
from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, diagnose
from schedulo.errors.meta import META_RULES
from schedulo.flow import (
    Auth,
    FilePart,
    Finding,
    Flow,
    Look,
    Pairs,
    Request,
    Response,
    Sent,
    Slice,
    follow,
    step,
)
from schedulo.model import Content, Media, Platform, Problem, Published
from schedulo.platforms.after import Out, Presence
from schedulo.words import word

HANDLE_KEEP_S = 23 * 3600.0
"""Containers, unpublished photos and drafts live 24 hours (Meta: content publishing; Page photos)."""
COMMIT_TIMEOUT_S = 60.0
UPLOAD_TIMEOUT_S = 600.0
LOOK_KEEP_S = 0.0
"""What a look finds is true only now."""
MAX_PAGES = 50

_SECRETS = ("access_token", "appsecret_proof")
_TOKEN = re.compile(r"(?i)(?:EAA|IG[AQ])[\w-]{8,}|(?<=access token )[\w.|-]{8,}|(?<=access_token=)[^\s&]+")


@dataclass(frozen=True, slots=True)
class _Said:
    """An error as Graph's envelope, or the upload host's `debug_info`, tells it."""

    code: str = ""
    subcode: str = ""
    message: str = ""
    text: str = ""
    transient: bool = False


def _said(response: Response) -> _Said | None:
    body = response.json()
    if not isinstance(body, dict):
        return None
    if isinstance(error := body.get("error"), dict):
        code = word(error.get("code"))
        parts = [word(error.get(name)) for name in ("type", "message", "error_user_title", "error_user_msg")]
        return _Said(
            code=code,
            subcode=word(error.get("error_subcode")),
            message=". ".join(dict.fromkeys(part.rstrip(".") for part in parts[1:] if part)),
            text=" ".join(part for part in (code, *parts) if part),
            transient=error.get("is_transient") is True,
        )
    if isinstance(info := body.get("debug_info"), dict):
        kind, message = word(info.get("type")), word(info.get("message"))
        return _Said(kind, "", message, f"{kind} {message}".strip(), info.get("retriable") is True)
    return None


def wait_s(response: Response) -> float | None:
    """Seconds until calls are taken again, by `X-Business-Use-Case-Usage` (which says minutes), else by
    Retry-After; None where neither says. `X-App-Usage` tells how much is used and not until when.
    Source: Meta, Graph API rate limits."""
    minutes = [row.get("estimated_time_to_regain_access") for row in business_usage(response)]
    longest = max((float(value) for value in minutes if isinstance(value, int | float)), default=0.0)
    return longest * 60 or response.retry_after_s


def used(response: Response) -> float:
    """How much is used up of the limits that our app, the Page and the account have, by the one that is used
    most: 1 is all, 0 where the answer does not say. Source: Meta, Graph API rate limits."""
    rows = [
        usage_header(response, "x-app-usage"),
        usage_header(response, "x-page-usage"),
        *business_usage(response),
    ]
    percents = [row.get(name) for row in rows for name in ("call_count", "total_time", "total_cputime")]
    return max((float(value) for value in percents if isinstance(value, int | float)), default=0.0) / 100


def business_usage(response: Response) -> list[dict[str, Any]]:
    """By `X-Business-Use-Case-Usage`: what it says of each kind of use of each account."""
    of_accounts = usage_header(response, "x-business-use-case-usage").values()
    return [row for rows in of_accounts if isinstance(rows, list) for row in rows if isinstance(row, dict)]


def usage_header(response: Response, header: str) -> dict[str, Any]:
    """What a header of usage says; nothing where it is not there or cannot be read."""
    try:
        found = json.loads(response.headers.get(header, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Graph:
    """Reads answers in the name of one platform. All methods raise `PlatformError` for an error answer."""

    platform: Platform

    def error(
        self,
        phase: Phase,
        status: int,
        code: str = "",
        subcode: str = "",
        text: str = "",
        *,
        final: bool = False,
    ) -> PlatformError:
        """What Meta told in other places than an answer's envelope, such as a container's status.

        `final`: it is told of a handle that will never be public, so nothing is and nothing will be.
        """
        diagnosis = diagnose(META_RULES, phase, status, code, subcode, text)
        diagnosis = replace(diagnosis, refusal=diagnosis.refusal or final)
        return self._error(diagnosis, status, code, subcode, text)

    def raise_for(self, response: Response, phase: Phase) -> None:
        """Raise what an error answer means in `phase`; a 2xx without an error passes."""
        said = _said(response)
        if said is None and response.ok:
            return
        said = said or _Said()
        # What calls itself passing is the platform's trouble, unless the table knows better.
        status = 503 if said.transient else response.status
        diagnosis = diagnose(
            META_RULES, phase, status, said.code, said.subcode, said.text, spoken=bool(said.text)
        )
        wait = wait_s(response) if diagnosis.kind is Kind.RATE_LIMITED else response.retry_after_s
        raise self._error(diagnosis, response.status, said.code, said.subcode, said.message, wait)

    def data(self, response: Response, phase: Phase) -> dict[str, Any]:
        """The object that a step was answered with."""
        self.raise_for(response, phase)
        body = response.json()
        if not isinstance(body, dict):
            raise self.unfit(response, "not a JSON object")
        return body

    def text(self, response: Response, name: str, phase: Phase = Phase.ARM) -> str:
        """Field `name` of a step's answer. Ids are strings: they do not fit a float."""
        value = word(self.data(response, phase).get(name))
        if not value:
            raise self.unfit(response, f"no field {name!r}")
        return value

    def success(self, response: Response, phase: Phase = Phase.ARM) -> bool:
        """True for `{"success": true}`."""
        if self.data(response, phase).get("success") is not True:
            raise self.unfit(response, "no success")
        return True

    def accepted(self, response: Response) -> dict[str, Any]:
        """What a commit was answered with; {} where a 2xx cannot be read: it was accepted all the same."""
        self.raise_for(response, Phase.COMMIT)
        body = response.json()
        if not isinstance(body, dict):
            return {}
        if body.get("success") is False:
            raise self.error(Phase.COMMIT, response.status, text="success is false")
        return body

    def unfit(self, response: Response, message: str) -> PlatformError:
        """A 2xx that a step cannot use: asked again."""
        return self._error(Diagnosis(Kind.PLATFORM_DOWN, refusal=False), response.status, "", "", message)

    def _error(
        self,
        diagnosis: Diagnosis,
        status: int,
        code: str,
        subcode: str,
        message: str,
        wait: float | None = None,
    ) -> PlatformError:
        return PlatformError(
            self.platform.value,
            diagnosis,
            status=status,
            code=f"{code}/{subcode}" if subcode else code,
            message=_TOKEN.sub("…", message),
            wait_s=wait,
        )

    def items(self, name: str, request: Request, key: str = "id") -> Flow:
        """All items of a list, page by page (steps `name`-0, -1, ...); None where it does not end. `key` is
        what every item has.

        The last page is the one without `paging.next`; an empty page may have one (Meta: paging).
        """
        found: list[Any] = []
        query = request.query
        for number in range(MAX_PAGES):
            page = yield from step(
                f"{name}-{number}",
                replace(request, query=query),
                partial(self._page, key=key),
                keep_s=LOOK_KEEP_S,
            )
            found += page["items"]
            if page["next"] is None:
                return found
            query = tuple((key, value) for key, value in page["next"])
        return None

    def _page(self, response: Response, key: str) -> dict[str, Any]:
        body = self.data(response, Phase.READ)
        items = body.get("data")
        if not isinstance(items, list) or not all(_is_listed(item, key) for item in items):
            raise self.unfit(response, "no list")
        # `next` is an address with the token in it: only its other parameters are used.
        address = (body.get("paging") or {}).get("next")
        query = (
            [[k, v] for k, v in parse_qsl(urlsplit(address).query) if k not in _SECRETS] if address else None
        )
        return {"items": [{k: v for k, v in item.items() if v is not None} for item in items], "next": query}


def _is_listed(item: Any, key: str) -> bool:
    """Whether an item of a list has an id, and texts where it has any."""
    return (
        isinstance(item, dict)
        and bool(word(item.get(key)))
        and all(isinstance(item.get(name), str | None) for name in ("caption", "message", "permalink_url"))
    )


COMMENT = "comment"


def first_comment(graph: Graph, request: Request, published: Published) -> Flow:
    """Write the first comment under a post that is out; a post without it is a published post."""
    yield from follow(
        COMMENT,
        request,
        lambda response: str(graph.accepted(response).get("id") or "") or None,
        title="the first comment",
        out=published,
        vital=False,
    )
    return published


def comment_problems(content: Content) -> Iterator[Problem]:
    if problem := text_rules.too_long("First comment", content.first_comment, text_rules.COMMENT):
        yield problem


def look_for_comment(graph: Graph, request: Request, sent: Sent) -> Flow:
    """Whether the comment is under the post. Instagram lists fifty, the newest first (comment moderation)."""
    wanted = normalised(dict(sent.request.form or ())["message"])
    try:
        items = yield from graph.items("look-comments", request)
    except PlatformError as error:
        return Finding(Look.UNCLEAR, note=f"the comments cannot be read ({error.code or error.status})")
    if items is None:
        return Finding(Look.UNCLEAR, note="the list of comments does not end")
    for item in items:
        if normalised(str(item.get("message") or item.get("text") or "")) == wanted:
            return Finding(Look.FOUND, str(item["id"]), "the comment is under the post")
    return Finding(Look.ABSENT, note=f"none of the {len(items)} comments is this one")


def unreadable(error: PlatformError) -> bool:
    """True for 100/33: missing, or hidden from this token. Fresh objects answered so for days while
    publishing worked, so it never proves absence."""
    return error.code == "100/33"


def seen(graph: Graph, posts: Sequence[Out], get: Callable[[Out], Request]) -> Flow:
    """Looks post by post, since one that is gone spoils a request for many; ends with the `Presence` of those
    that can be read, by key, and those that cannot, which a list must tell about."""
    there: dict[str, Presence] = {}
    missing: list[Out] = []
    for out in posts:
        if (yield from step(f"look-{out.key}", get(out), partial(_readable, graph), keep_s=LOOK_KEEP_S)):
            there[out.key] = Presence.THERE
        else:
            missing.append(out)
    return there, missing


def _readable(graph: Graph, response: Response) -> bool:
    try:
        graph.data(response, Phase.READ)
    except PlatformError as error:
        if unreadable(error):
            return False
        raise
    return True


def pairs(**values: str | int | bool | None) -> Pairs:
    """Parameters in Graph's spelling; None is left out."""
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in values.items()
        if value is not None
    )


def get(service: str, path: str, **query: str | int | bool | None) -> Request:
    return Request(service, "GET", path, query=pairs(**query))


def post(service: str, path: str, timeout_s: float = 30.0, **form: str | int | bool | None) -> Request:
    """A form: Graph was seen to ignore optional parameters in JSON bodies."""
    return Request(service, "POST", path, form=pairs(**form), timeout_s=timeout_s)


def delete(service: str, path: str) -> Request:
    return Request(service, "DELETE", path, timeout_s=COMMIT_TIMEOUT_S)


def whole(media: Media) -> Slice:
    return Slice(media.sha256, 0, media.size_bytes)


def upload(graph: Graph, edge: str, handle: str, media: Media) -> Flow:
    """Send a whole file to the upload host, for the container or video `handle`.

    The step is named after the handle: bytes that one got say nothing of the next.
    """
    request = Request(
        "rupload",
        "POST",
        f"{edge}/{handle}",
        auth=Auth.OAUTH,
        raw=whole(media),
        headers=(("offset", "0"), ("file_size", str(media.size_bytes))),
        timeout_s=UPLOAD_TIMEOUT_S,
    )
    return (yield from step(f"upload-{handle}", request, graph.success, keep_s=HANDLE_KEEP_S))


def multipart(request: Request, name: str, media: Media, content: Slice) -> Request:
    """`request` with bytes of `media` as its file."""
    filename = media.filename or media.sha256[:16]
    part = FilePart(name, content, filename, media.content_type)
    return replace(request, file=part, timeout_s=UPLOAD_TIMEOUT_S)


def normalised(text: str) -> str:
    """A caption as two sides may compare it: Meta may give it back without `@` and with other spaces."""
    return " ".join(unicodedata.normalize("NFC", text).replace("@", "").split())


def epoch_s(stamp: Any) -> float | None:
    """Seconds of Graph's `2026-05-07T13:00:34+0000`; None for anything else."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (TypeError, ValueError):
        return None
