"""The posts of a run: of every format, each part with a mark of its own, some bound to fail.

A mark stands in the text of what it marks. A draft or a story has no text that the public sees: it is told
by its file, so every file is unique too. Which posts may fail is decided here, before anything runs: each of
those has an account of its own, or cells that the platform does not take, and nothing else depends on it.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from benchmarks.plans import NAMES
from sandbox.demo import media
from schedulo.model import Account, Platform

BURST = 10
"""So many posts share a second where posts come in bursts."""
BURST_SHARE = 0.3
LEAD_S = 150.0
"""The first post is due so long after the first is released: one tick reads it, its media are fetched, and a
later tick claims it."""
CALM_S = 75.0
"""Nothing breaks in this first part, in which the first posts are only read and their media fetched."""
RELEASED_S = (170.0, 240.0)
"""Each post is released so long before it is due."""
DUE_SHARE = 0.7
"""Posts are due in this first part of the time in which things break."""
FAIL_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Shape:
    """One format: what a row needs for it."""

    platform: Platform
    name: str
    files: tuple[str, ...] = ()
    """Kinds of its files: picture, film, gif."""
    cells: Mapping[str, Any] = field(default_factory=dict, hash=False)
    hidden: bool = False
    """The public never sees its text; it is told by its file."""
    follows: int = 0
    """So many requests follow the post: parts of a thread on X, a first comment elsewhere."""

    @property
    def following_field(self) -> str:
        return "Thread" if self.platform is Platform.X else "First comment"


_TIKTOK = {"TikTok privacy": "Everyone"}
SHAPES: tuple[Shape, ...] = (
    Shape(Platform.X, "text"),
    Shape(Platform.X, "image", ("picture",)),
    Shape(Platform.X, "images", ("picture",) * 3),
    Shape(Platform.X, "video", ("film",)),
    Shape(Platform.X, "gif", ("gif",)),
    Shape(Platform.X, "poll", cells={"Poll": "Light\nDark", "Poll lasts (h)": 1}),
    Shape(Platform.X, "thread", follows=3),
    Shape(Platform.X, "thread with an image", ("picture",), follows=2),
    Shape(Platform.INSTAGRAM, "image", ("picture",)),
    Shape(Platform.INSTAGRAM, "reel", ("film",)),
    Shape(Platform.INSTAGRAM, "carousel", ("picture", "film", "picture")),
    Shape(Platform.INSTAGRAM, "photo story", ("picture",), {"Format": "Story"}, hidden=True),
    Shape(Platform.INSTAGRAM, "video story", ("film",), {"Format": "Story"}, hidden=True),
    Shape(Platform.INSTAGRAM, "image and comment", ("picture",), follows=1),
    Shape(Platform.INSTAGRAM, "reel and comment", ("film",), follows=1),
    Shape(Platform.TIKTOK, "video", ("film",), _TIKTOK),
    Shape(Platform.TIKTOK, "draft", ("film",), {"Format": "Draft to inbox"}, hidden=True),
    Shape(Platform.FACEBOOK, "text"),
    Shape(Platform.FACEBOOK, "link", cells={"Link": "https://northlight.example/brew"}),
    Shape(Platform.FACEBOOK, "photo", ("picture",)),
    Shape(Platform.FACEBOOK, "photos", ("picture",) * 2),
    Shape(Platform.FACEBOOK, "video", ("film",)),
    Shape(Platform.FACEBOOK, "reel", ("film",), {"Format": "Reel"}),
    Shape(Platform.FACEBOOK, "photo story", ("picture",), {"Format": "Story"}, hidden=True),
    Shape(Platform.FACEBOOK, "video story", ("film",), {"Format": "Story"}, hidden=True),
    Shape(Platform.FACEBOOK, "text and comment", follows=1),
    Shape(Platform.FACEBOOK, "photo and comment", ("picture",), follows=1),
    Shape(Platform.FACEBOOK, "video and comment", ("film",), follows=1),
)


@dataclass(frozen=True, slots=True)
class Doom:
    """Why a post cannot go out: a fault on its account for ever, or cells that are refused."""

    shape: str
    platform: Platform
    orders: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    """For the sandbox's faults, without service and account."""
    cells: Mapping[str, Any] = field(default_factory=dict, hash=False)


DOOMS: tuple[Doom, ...] = (
    Doom("text", Platform.X, ({"method": "POST", "route": "create_post", "mode": "status:403/64"},)),
    Doom("image", Platform.X, ({"mode": "expire_token"},)),
    Doom("image", Platform.INSTAGRAM, ({"method": "POST", "route": "media", "mode": "status:400/100"},)),
    Doom("reel", Platform.INSTAGRAM, ({"mode": "processing_fails"},)),
    Doom("video", Platform.TIKTOK, ({"mode": "processing_fails:file_format_check_failed"},)),
    Doom("video", Platform.TIKTOK, cells={"TikTok privacy": None}),
    Doom("text", Platform.FACEBOOK, ({"method": "POST", "mode": "status:403/200"},)),
    Doom("reel", Platform.FACEBOOK, ({"mode": "processing_fails"},)),
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One post: where, what, when (seconds after the start)."""

    mark: str
    shape: Shape
    account: Account
    due_s: float
    released_s: float
    doom: Doom | None = None

    @property
    def title(self) -> str:
        return f"chaos {self.mark}"

    @property
    def marks(self) -> tuple[str, ...]:
        """What must appear once each: the post's own mark first, then those of its parts."""
        following = (f"{self.mark}:{number}".encode() for number in range(self.shape.follows))
        return (self.mark, *(hashlib.sha256(name).hexdigest()[:16] for name in following))

    @property
    def text(self) -> str:
        return f"{self.shape.name} for {self.account.name}: {self.mark}"

    def files(self) -> dict[str, tuple[str, bytes]]:
        """Its files by name: type and content, unlike any other's."""
        return {
            f"{self.mark}-{number}.{SUFFIX[kind]}": (TYPES[kind], unique(kind, f"{self.mark}-{number}"))
            for number, kind in enumerate(self.shape.files)
        }

    def digests(self) -> tuple[str, ...]:
        return tuple(hashlib.sha256(content).hexdigest() for _, content in self.files().values())

    def row(self, account_row: str, media_url: str, due: str) -> dict[str, Any]:
        """Its row in Posts, not released yet."""
        row: dict[str, Any] = {
            "Title": self.title,
            "Text": self.text,
            "Accounts": [account_row],
            "Publish at": due,
            "Status": "Draft",
            **self.shape.cells,
        }
        if self.shape.follows:
            row[self.shape.following_field] = "\n---\n".join(f"more: {mark}" for mark in self.marks[1:])
        if self.shape.files:
            row["Media"] = [{"url": f"{media_url}/{name}", "filename": name} for name in self.files()]
        if self.doom:
            row |= self.doom.cells
        return {name: value for name, value in row.items() if value is not None}


def plan(number: int, seed: int, minutes: float) -> list[Planned]:
    """The posts of a run, in the order of their instants; the same for the same arguments."""
    dice = random.Random(seed)
    doomed = round(number * FAIL_SHARE) if number >= 20 else min(1, number - 1)
    crowd = _crowd(number)
    span_s = max(1.0, CALM_S + minutes * 60 * DUE_SHARE - LEAD_S)
    instants = _instants(dice, number, span_s)
    dooms = [DOOMS[n % len(DOOMS)] for n in range(doomed)] + [None] * (number - doomed)
    dice.shuffle(dooms)
    offset = dice.randrange(len(SHAPES))
    used = dict.fromkeys(crowd, 0)
    posts = []
    for index, (due_s, doom) in enumerate(zip(instants, dooms, strict=True)):
        mark = f"{dice.getrandbits(64):016x}"
        shape = SHAPES[(index + offset) % len(SHAPES)]
        if doom:
            shape = next(s for s in SHAPES if (s.platform, s.name) == (doom.platform, doom.shape))
            account = _account(shape.platform, 90_000_000 + index)
        else:
            account = crowd[shape.platform][used[shape.platform] % len(crowd[shape.platform])]
            used[shape.platform] += 1
        released_s = max(0.0, due_s - dice.uniform(*RELEASED_S))
        posts.append(Planned(mark, shape, account, due_s, released_s, doom))
    return posts


def _instants(dice: random.Random, number: int, span_s: float) -> list[float]:
    instants: list[float] = []
    while len(instants) < number:
        at_s = LEAD_S + dice.uniform(0, span_s)
        together = BURST if dice.random() < BURST_SHARE / BURST else 1
        instants += [round(at_s, 0 if together > 1 else 3)] * together
    return sorted(instants[:number])


def _crowd(number: int) -> dict[Platform, list[Account]]:
    """Enough accounts that pacing does not decide when posts go out."""
    each = max(2, number // 25)
    return {
        platform: [_account(platform, 17_000_000 + 1000 * place + n) for n in range(each)]
        for place, platform in enumerate(NAMES)
    }


def _account(platform: Platform, number: int) -> Account:
    options = {"login": "instagram_login"} if platform is Platform.INSTAGRAM else {}
    return Account(platform, str(number), f"account {number}", options=options)


def accounts_of(posts: Sequence[Planned]) -> list[Account]:
    return list({post.account.key: post.account for post in posts}.values())


def permanent(posts: Sequence[Planned]) -> list[dict[str, Any]]:
    """The faults that make the doomed ones fail."""
    return [
        {"service": str(post.account.platform), "account_id": post.account.account_id, "times": -1, **order}
        for post in posts
        if post.doom
        for order in post.doom.orders
    ]


# --- files ----------------------------------------------------------------------------------------------

SUFFIX = {"picture": "jpg", "film": "mp4", "gif": "gif"}
TYPES = {"picture": "image/jpeg", "film": "video/mp4", "gif": "image/gif"}
_made: dict[str, bytes] = {}


def unique(kind: str, mark: str) -> bytes:
    """A small file of this kind that no other equals: the mark stands where players look for nothing."""
    if kind not in _made:
        _made[kind] = _MAKERS[kind]()
    base, note = _made[kind], mark.encode()
    match kind:
        case "picture":  # a comment segment behind the start of image
            return base[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2) + note + base[2:]
        case "film":  # a box of free space
            return base + (len(note) + 8).to_bytes(4) + b"free" + note
        case _:  # a comment extension before the trailer
            return base[:-1] + b"\x21\xfe" + bytes([len(note)]) + note + b"\x00" + base[-1:]


def _gif() -> bytes:
    out = io.BytesIO()
    shades = [Image.new("P", (64, 64), number * 60) for number in range(4)]
    shades[0].save(out, "GIF", save_all=True, append_images=shades[1:], duration=250, loop=0)
    return out.getvalue()


_MAKERS = {
    "picture": lambda: media.picture("Chaos", (231, 111, 81), (640, 640)),
    "film": lambda: media.video("Chaos", (42, 157, 143)),
    "gif": _gif,
}
