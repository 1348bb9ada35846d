"""The language between a platform and the driver that runs it.

A platform's conversation is a generator of named effects and never touches a socket. The driver keeps each
answer in the ledger under the effect's name and hands it back when the same flow runs again from the top,
so starting, resuming after a crash and finishing are one function. Names are a storage format: renaming a
step is a migration. Flows therefore decide by name and kept values only, never by time or position.

Only `PlatformError` is thrown into a flow. What a flow keeps (the values that `read` returns) must be JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Self

from schedulo.model import Account, Content, Media, Position, Published

Flow = Generator["Effect", Any, Any]
Pairs = tuple[tuple[str, str], ...]


class Auth(StrEnum):
    """Where the driver puts the account's token. Stored requests never carry it."""

    BEARER = "bearer"  # Authorization: Bearer <token>
    OAUTH = "oauth"  # Authorization: OAuth <token>
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes of a stored medium, opened by the driver; a whole file is offset 0 and its full length."""

    sha256: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FilePart:
    """The file of a multipart/form-data request; its other fields are the request's `form`."""

    name: str
    content: Slice
    filename: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request without secrets. At most one of `form` (alone), `json`, `raw` makes the body;
    `file` makes it multipart with `form` as its fields."""

    service: str
    """Whose base URL applies: instagram, facebook, rupload, x, tiktok; "" when `path` is a whole URL."""
    method: str
    path: str
    auth: Auth = Auth.BEARER
    query: Pairs = ()
    form: Pairs | None = None
    json: Any = None
    raw: Slice | None = None
    file: FilePart | None = None
    headers: Pairs = ()
    timeout_s: float = 30.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        def pairs(value: Any) -> Any:
            return None if value is None else tuple((k, v) for k, v in value)

        file = data["file"]
        return cls(
            **{
                **data,
                "auth": Auth(data["auth"]),
                "query": pairs(data["query"]),
                "form": pairs(data["form"]),
                "headers": pairs(data["headers"]),
                "raw": Slice(**data["raw"]) if data["raw"] else None,
                "file": FilePart(**{**file, "content": Slice(**file["content"])}) if file else None,
            }
        )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON, and no database keeps it")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The JSON body, or None where the body is not JSON (HTML from a gateway, empty, cut off, NaN)."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return None

    @property
    def date_s(self) -> float | None:
        """The service's own clock when it answered (its Date header), in epoch seconds."""
        return _date_s(self.headers.get("date"))

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that a Retry-After header asks to wait; None where there is none that can be read."""
        return retry_after_s(self.headers.get("retry-after"), self.date_s)


def retry_after_s(text: str | None, now_s: float | None) -> float | None:
    """What a Retry-After header means, in seconds: a number of them, or a date (RFC 9110, 10.2.3).

    :param now_s: the service's own clock, for a date; without it a date says nothing
    """
    if text is not None and text.strip().isdecimal():
        return float(text)
    until_s = _date_s(text)
    return max(0.0, until_s - now_s) if until_s is not None and now_s is not None else None


def _date_s(text: str | None) -> float | None:
    """Epoch seconds of an HTTP date. One without a zone is in UTC, as all of HTTP's are."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class NotReady(Exception):
    """Raised by a step's `read`: the platform is still working; ask again after `wait_s` seconds."""

    def __init__(self, wait_s: float, note: str) -> None:
        super().__init__(note)
        self.wait_s = wait_s
        self.note = note


Read = Callable[[Response], Any]
"""Turns an answer into the value that is kept. Raises `PlatformError` for a refusal or an answer that does
not fit, `NotReady` (steps only) while the platform is still working."""


@dataclass(frozen=True, slots=True)
class Step:
    """Safe to repeat. Its value is kept for `keep_s` seconds (None: for good), and for good once a commit
    of the delivery was opened."""

    name: str
    request: Request
    read: Read
    keep_s: float | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Cannot be taken back: at most one open or accepted write per name."""

    name: str
    request: Request
    read: Read
    live: bool = True
    """True: accepted means the public sees it. False: the platform still works on it (state `processing`)
    until the flow's later steps say so."""
    position: Position = Position.ONLY
    title: str = "the post"
    """What people call it: "part 2 of 3", "the first comment"."""
    vital: bool = True
    """False: where it fails for good, the post counts as published all the same (a comment)."""
    out: Published | None = None
    """For a later one: what is known of the post that is out."""


@dataclass(frozen=True, slots=True)
class Due:
    """The line between arming and firing: what follows waits for the due instant."""


@dataclass(frozen=True, slots=True)
class All:
    """Children side by side; they may hold steps only. The value is the list of theirs."""

    flows: tuple[Flow, ...]


Effect = Step | Commit | Due | All


def step(name: str, request: Request, read: Read, keep_s: float | None = None) -> Flow:
    return (yield Step(name, request, read, keep_s))


def commit(name: str, request: Request, read: Read, live: bool = True, *, more: bool = False) -> Flow:
    """The request that publishes; `more`: others follow it."""
    return (yield Commit(name, request, read, live, Position.FIRST if more else Position.ONLY))


def follow(
    name: str, request: Request, read: Read, *, title: str, out: Published, vital: bool = True
) -> Flow:
    """A request that adds to a post that is out; `title` as people call it."""
    return (yield Commit(name, request, read, True, Position.LATER, title, vital, out))


def due() -> Flow:
    yield Due()


def side_by_side(*flows: Flow) -> Flow:
    return (yield All(flows))


@dataclass(frozen=True, slots=True)
class Job:
    """All that a platform may know of a delivery while it speaks."""

    account: Account
    content: Content
    media_url: Callable[[Media], str | None]
    """The public address of a stored medium, or None where no `media_base_url` is set."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """This platform's settings (API version, chunk size, `two_phase`, ...), by name."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A post that a platform told of by itself, and that no answer of ours belongs to."""

    handle: str
    direct: bool
    """A post; else a draft."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A write whose outcome is not known, for `reconcile`."""

    name: str
    request: Request
    content: Content
    """The snapshot that was frozen when it was opened."""
    steps: Mapping[str, Any]
    """The kept values of the steps before it, by name."""
    opened_ms: int
    owned: frozenset[str] = frozenset()
    """The platform's ids of the account's posts that are known to be others'."""
    told: tuple[Hint, ...] = ()
    """What its platform told since of posts of the account; empty where another write is in doubt too."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A post that may be out, of which only the content is known: its request and its handles were in a
    ledger that is no more. For `search`."""

    content: Content
    since_ms: int
    """It cannot have gone out earlier."""
    steps: Mapping[str, Any] = field(default_factory=dict)
    """What was kept before the backup. A handle among it can prove that the post is out, and nothing else:
    another may have been made since."""
    owned: frozenset[str] = frozenset()
    """The platform's ids of the account's posts that are known to be others'."""


class Look(StrEnum):
    """What a reconciliation found."""

    FOUND = "found"
    """It is out. Counts at once."""
    UNUSED = "unused"
    """The handle says that it was not used: the same request may be sent again."""
    ABSENT = "absent"
    """Not in a list: a guess, which counts only after the quiet time."""
    UNCLEAR = "unclear"
    """The platform did not say (still working, unreadable)."""
    DEAD = "dead"
    """The handle itself failed for good: nothing went out and it never will; arm anew."""


@dataclass(frozen=True, slots=True)
class Finding:
    look: Look
    value: Any = None
    """For FOUND: what the commit's `read` would have returned, or None where the id stays unknown."""
    note: str = ""
    """What was looked at and what it said, as a sentence."""
    resend: bool = True
    """False: this kind of commit is never sent again by itself."""
    published: Published | None = None
    """Of a search: all that is known of the post it found."""
