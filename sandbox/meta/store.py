"""What the Meta stand-ins remember: apps, tokens, Pages, Instagram accounts, and all that was made on them.

One store per world, shared by `/instagram`, `/facebook` and `/rupload`, since a Page token also publishes
to Instagram and uploads cross hosts. Everything is found by id or in per-account lists; nothing is searched.
"""

from __future__ import annotations

import base64
import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any
from weakref import WeakKeyDictionary

from sandbox.core import World
from sandbox.probe import VideoFile

DAY_S = 86_400
LONG_LIVED_S = 60 * DAY_S
DATA_ACCESS_S = 90 * DAY_S

INSTAGRAM_LOGIN_SCOPES = (
    "instagram_business_basic",
    "instagram_business_content_publish",
    "instagram_business_manage_comments",
    "instagram_business_manage_insights",
)
FACEBOOK_LOGIN_SCOPES = (
    "pages_show_list",
    "pages_read_engagement",
    "pages_read_user_content",
    "pages_manage_posts",
    "pages_manage_engagement",
    "read_insights",
    "instagram_basic",
    "instagram_content_publish",
    "instagram_manage_comments",
    "instagram_manage_insights",
    "instagram_manage_contents",
)
TASKS = ("ANALYZE", "ADVERTISE", "MESSAGING", "MODERATE", "CREATE_CONTENT", "MANAGE")


@dataclass(slots=True, eq=False)
class App:
    app_id: str
    secret: str
    require_proof: bool = False


@dataclass(slots=True, eq=False)
class Token:
    """`kind` is "instagram" (Instagram Login), "page", or "user"."""

    value: str
    kind: str
    owners: list[str]
    """The accounts and Pages it may act for; the first is the one it speaks for."""
    scopes: frozenset[str]
    issued_at: float
    expires_at: float
    """Epoch seconds; 0 means never."""
    app_id: str | None = None
    subcode: int | None = None
    """Why it died, as a subcode of 190; None while it lives."""


@dataclass(slots=True, eq=False)
class Account:
    """An Instagram professional account."""

    account_id: str
    username: str
    name: str
    flavour: str
    """instagram_login or facebook_login."""
    quota_total: int | None
    followers: int | None = None
    """Fixed; None: they grow."""
    timezone: str = "UTC"
    """Whose days `numbers` tells; Instagram itself is asked for spans."""
    media: list[Medium] = field(default_factory=list)
    """Published, oldest first, without stories."""
    stories: list[Medium] = field(default_factory=list)
    container_times: deque[float] = field(default_factory=deque)
    publish_times: deque[float] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class Upload:
    """Bytes on their way to a container, a Page video or a reel."""

    size_bytes: int | None = None
    content: bytearray = field(default_factory=bytearray)
    done: bool = False
    digest: str = ""
    video: VideoFile | None = None


@dataclass(slots=True, eq=False)
class Container:
    """An Instagram media container."""

    container_id: str
    account: Account
    kind: str
    """A row of `sandbox.meta.media_rules.KINDS`."""
    caption: str
    created_at: float
    params: dict[str, str]
    children: list[Container] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    cover: str = ""
    """sha256 of the picture that stands for a reel."""
    upload: Upload | None = None
    fetching: bool = False
    polls_left: int = 0
    ready_at: float = 0.0
    failed: str | None = None
    """The subcode that its status sentence names; ERROR for none, EXPIRED for that."""
    media_id: str | None = None
    published_at: float = 0.0


@dataclass(slots=True, eq=False)
class Medium:
    """A published Instagram medium."""

    media_id: str
    account: Account
    kind: str
    caption: str
    created_at: float
    received_at: float
    digests: list[str]
    cover: str = ""
    alt_text: str = ""
    children: list[Medium] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    parent: Medium | None = None
    scale: float = 1.0
    """How much is seen of it, beside what is usual; 0: nobody sees it."""
    before_business: bool = False
    """It was made before the account was a professional one."""
    gone_at: float | None = None
    """When it was, or will be, taken off the air."""

    @property
    def shortcode(self) -> str:
        raw = int(self.media_id).to_bytes(8).lstrip(b"\0")
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(slots=True, eq=False)
class Comment:
    """A comment on either platform."""

    comment_id: str
    account_id: str
    author: str
    text: str
    created_at: float
    received_at: float
    parent_id: str
    replies: list[Comment] = field(default_factory=list)

    @property
    def comments(self) -> list[Comment]:
        return self.replies


@dataclass(slots=True, eq=False)
class Page:
    page_id: str
    name: str
    page_token: str
    instagram_account_id: str | None
    tasks: list[str]
    posts: list[PagePost] = field(default_factory=list)
    """All that the Page made, drafts included, oldest first."""
    waiting: list[PagePost] = field(default_factory=list)
    """Scheduled."""
    public: list[PagePost] = field(default_factory=list)
    """In the order in which they went public."""
    reels: list[PageVideo] = field(default_factory=list)
    stories: list[PagePost] = field(default_factory=list)
    reel_times: deque[float] = field(default_factory=deque)
    last_words: tuple[str, str] | None = None
    """Message and link of the last public feed post, for the duplicate rule."""
    followers: int | None = None
    """Fixed; None: they grow."""
    likes: int | None = None
    """`fan_count`, fixed; None: they grow."""


@dataclass(slots=True, eq=False)
class PagePost:
    post_id: str
    page: Page
    kind: str
    message: str
    link: str
    created_at: float
    published: bool
    received_at: float
    scheduled_at: float | None = None
    photos: list[Photo] = field(default_factory=list)
    video: PageVideo | None = None
    app_id: str | None = None
    comments: list[Comment] = field(default_factory=list)
    scale: float = 1.0
    """How much is seen of it, beside what is usual."""
    gone_at: float | None = None
    """When it was, or will be, taken off the air."""


@dataclass(slots=True, eq=False)
class Photo:
    photo_id: str
    page: Page
    caption: str
    alt_text: str
    digest: str
    size: tuple[int, int]
    created_at: float
    published: bool
    temporary: bool
    post: PagePost | None = None


@dataclass(slots=True, eq=False)
class PageVideo:
    """A Page video, reel or story; `kind` is "video", "reel" or "story"."""

    video_id: str
    page: Page
    kind: str
    created_at: float
    upload: Upload
    session_id: str | None = None
    finished: bool = False
    state: str = "DRAFT"
    title: str = ""
    description: str = ""
    thumb: str = ""
    """The hash of the picture that was sent along as its thumbnail."""
    scheduled_at: float | None = None
    published_at: float = 0.0
    received_at: float = 0.0
    polls_left: int = 0
    failed: str | None = None
    """Why processing fails: a code, or "" for none."""
    post: PagePost | None = None
    comments: list[Comment] = field(default_factory=list)


Node = Account | Container | Medium | Comment | Page | PagePost | Photo | PageVideo
NODE_NAMES = {
    Account: "account",
    Container: "container",
    Medium: "ig_media",
    Comment: "comment",
    Page: "page",
    PagePost: "post",
    Photo: "photo",
    PageVideo: "video",
}


class Store:
    """All of it."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.apps: dict[str, App] = {}
        self.tokens: dict[str, Token] = {}
        self.nodes: dict[str, Node] = {}
        self.user_pages: dict[str, dict[str, Page]] = {}
        self.sessions: dict[str, PageVideo] = {}
        self.calls_in_hour: tuple[int, int] = (0, 0)
        self.leaving: list[tuple[float, str]] = []
        """A heap of what will be gone: when, and its id."""
        self.gone: list[Medium | PagePost] = []
        """What was taken off the air: it was there before."""
        self.user_id = "10" + str(secrets.randbelow(10**15)).rjust(15, "0")
        """The one person behind all user tokens."""
        self._next_id = 1_000_000 + secrets.randbelow(1_000_000)

    def mint(self, prefix: str) -> str:
        """A new decimal id of 17 digits that begins as the real ones of its kind do."""
        self._next_id += 1 + secrets.randbelow(97)
        return prefix + str(self._next_id).rjust(17 - len(prefix), "0")

    def secret(self) -> str:
        """The random part of a new token."""
        return secrets.token_urlsafe(24)

    def grant(self, token: Token) -> Token:
        """Make a token known; one that is already known learns new owners and scopes."""
        known = self.tokens.setdefault(token.value, token)
        if known is not token:
            known.owners += [owner for owner in token.owners if owner not in known.owners]
            known.scopes |= token.scopes
            known.kind, known.expires_at, known.subcode = token.kind, token.expires_at, token.subcode
            known.issued_at = token.issued_at
            known.app_id = token.app_id or known.app_id
        return known

    def will_be_gone(self, node_id: str, at: float) -> None:
        heappush(self.leaving, (at, node_id))

    def take_off(self, now: float) -> None:
        """Remove what was to be gone by now."""
        while self.leaving and self.leaving[0][0] <= now:
            at, node_id = heappop(self.leaving)
            if isinstance(node := self.nodes.get(node_id), Medium | PagePost):
                self.remove(node, at)

    def remove(self, node: Medium | PagePost | PageVideo, at: float) -> None:
        """Take a post off the air: a medium with its children, a Page's post with its video."""
        if isinstance(node, Medium):
            for part in (node, *node.children):
                self.nodes.pop(part.media_id, None)
            _drop(node, node.account.media, node.account.stories)
            self._bury(node, at)
            return
        post, video = (node, node.video) if isinstance(node, PagePost) else (node.post, node)
        if post is not None:
            self.nodes.pop(post.post_id, None)
            _drop(post, post.page.posts, post.page.public, post.page.waiting, post.page.stories)
            self._bury(post, at)
        if video is not None:
            self.nodes.pop(video.video_id, None)
            _drop(video, video.page.reels)

    def _bury(self, post: Medium | PagePost, at: float) -> None:
        post.gone_at = at
        self.gone.append(post)

    def kind_of(self, node_id: str) -> str:
        """The name of a node's type, as it appears in route names."""
        node = self.nodes.get(node_id)
        return "node" if node is None else NODE_NAMES[type(node)]

    def owner_of(self, node_id: str) -> str | None:
        """The account or Page that a node belongs to."""
        match self.nodes.get(node_id):
            case Account(account_id=owner) | Comment(account_id=owner) | Page(page_id=owner):
                return owner
            case Container(account=account) | Medium(account=account):
                return account.account_id
            case PagePost(page=page) | Photo(page=page) | PageVideo(page=page):
                return page.page_id
        return None

    def app_of(self, token: Token) -> App | None:
        """The app of a token; a token that names none belongs to the first app."""
        return self.apps.get(token.app_id) if token.app_id else next(iter(self.apps.values()), None)

    def scopes(self, given: Iterable[str] | None, flavour: str) -> frozenset[str]:
        if given is not None:
            return frozenset(given)
        return frozenset(INSTAGRAM_LOGIN_SCOPES if flavour == "instagram_login" else FACEBOOK_LOGIN_SCOPES)


def _drop(node: Node, *lists: list[Any]) -> None:
    for nodes in lists:
        if node in nodes:
            nodes.remove(node)


_stores: WeakKeyDictionary[World, Store] = WeakKeyDictionary()


def store_of(world: World) -> Store:
    return _stores.setdefault(world, Store())


def within(times: deque[float], now: float, window_s: float = DAY_S) -> int:
    """How many of `times` (oldest first) are inside the moving window; forgets the older ones."""
    while times and times[0] <= now - window_s:
        times.popleft()
    return len(times)
