"""What the demo shows, as data: accounts, posts, which of them meets which fault, and which one is wrong.

A coffee roaster in Berlin and New York plans a day on all four platforms. Times are seconds after the first
post of the show. Nothing here talks to anybody: `__main__` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.demo import media

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
PLATFORMS = {"instagram": "Instagram", "tiktok": "TikTok", "x": "X", "facebook": "Facebook"}
BASE_ID = "appSandbox0000001"
TOKEN = "patSandbox"
"""Airtable's base and token, as the Connection of `sandbox.stack` names them."""


@dataclass(frozen=True, slots=True)
class Account:
    platform: str
    account_id: str
    username: str
    zone: str

    @property
    def token(self) -> str:
        return f"demo-{self.platform}-{self.account_id}"

    @property
    def cells(self) -> dict[str, Any]:
        """Its row in Accounts."""
        login = {"Login": "Instagram Login"} if self.platform == "instagram" else {}
        return {
            "Name": f"{PLATFORMS[self.platform]} {self.username}",
            "Platform": PLATFORMS[self.platform],
            "Account ID": self.account_id,
            "Username": self.username,
            "Time zone": self.zone,
            "Active": True,
            **login,
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble on order, for one account only. Fields as in `sandbox.core.Fault`."""

    method: str
    route: str
    mode: str
    status: int
    """What the platform then answers."""
    told: str


@dataclass(frozen=True, slots=True)
class Post:
    title: str
    text: str
    accounts: tuple[Account, ...]
    at_s: int
    media: tuple[str, ...] = ()
    cells: Mapping[str, Any] = field(default_factory=dict)
    """Further cells of its row in Posts."""
    by_clock: bool = False
    """Planned as a time on the clock of its account's zone, not as an instant."""
    fault: Fault | None = None
    cover: str = ""
    """The picture that stands for its video."""
    draft: str = ""
    """The sandbox's name of the request that brings it into the inbox; empty: it is no draft."""
    wrong: bool = False

    @property
    def follows(self) -> tuple[str, ...]:
        """What is to be seen under the post besides: parts of a thread, a first comment."""
        parts = str(self.cells.get("Thread", "")).split("\n---\n")
        return tuple(text for text in (*parts, str(self.cells.get("First comment", ""))) if text)

    def row(self, first_due: datetime, media_url: str, account_ids: Mapping[Account, str]) -> dict[str, Any]:
        """Its row in Posts."""
        due = first_due + timedelta(seconds=self.at_s)
        if self.by_clock:
            local = due.astimezone(ZoneInfo(self.accounts[0].zone))
            when = {"Publish at (local)": local.strftime("%Y-%m-%d %H:%M:%S")}
        else:
            when = {"Publish at": due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
        return {
            "Title": self.title,
            "Text": self.text,
            "Accounts": [account_ids[account] for account in self.accounts],
            "Media": [{"url": f"{media_url}/{name}", "filename": name} for name in self.media],
            "Cover": [{"url": f"{media_url}/{name}", "filename": name} for name in (self.cover,) if name],
            "Status": "Ready",
            **when,
            **self.cells,
        }


IG_BERLIN = Account("instagram", "17841400000000101", "northlight.berlin", BERLIN)
IG_NYC = Account("instagram", "17841400000000102", "northlight.nyc", NEW_YORK)
TT_BERLIN = Account("tiktok", "open-id-berlin", "northlight.berlin", BERLIN)
TT_NYC = Account("tiktok", "open-id-nyc", "northlight.nyc", NEW_YORK)
X_BERLIN = Account("x", "1101", "northlight_bln", BERLIN)
X_NYC = Account("x", "1102", "northlight_nyc", NEW_YORK)
FB_BERLIN = Account("facebook", "100000000000101", "Northlight Berlin", BERLIN)
FB_NYC = Account("facebook", "100000000000102", "Northlight New York", NEW_YORK)
X_TESTS = Account("x", "1103", "northlight_tests", BERLIN)
"""Nobody's posts go there: it is for the self-test of `maintain`."""

ACCOUNTS = (IG_BERLIN, IG_NYC, TT_BERLIN, TT_NYC, X_BERLIN, X_NYC, FB_BERLIN, FB_NYC, X_TESTS)

BUSY = Fault("POST", "media", "status:503", 503, "Instagram answered 503 while it was prepared")
LIMITED = Fault("POST", "create_post", "rate_limit:15", 429, "X asked to wait 15 seconds")

_TIKTOK = {"TikTok privacy": "Everyone", "TikTok comments": True}

POSTS: tuple[Post, ...] = (
    Post(
        "Sold out",
        "The Kenya lot is sold out. Thank you, New York!",
        (X_NYC,),
        0,
        fault=LIMITED,
    ),
    Post(
        "New roast",
        "Ethiopia Guji is back: peach, jasmine, black tea. #coffee #berlin",
        (IG_BERLIN,),
        1,
        ("guji.jpg",),
        {"Alt text": "An orange sun over a dark sea"},
        fault=BUSY,
    ),
    Post("Good morning", "Doors open at eight. See you!", (X_BERLIN, FB_BERLIN), 2, by_clock=True),
    Post(
        "Roasting day",
        "From green to brown in eleven minutes. #roasting",
        (IG_NYC,),
        3,
        ("roast.mp4",),
        cover="guji.jpg",
    ),
    Post(
        "Latte art",
        "Six hearts, one cup #latteart",
        (TT_BERLIN,),
        3,
        ("latte.mp4",),
        {
            **_TIKTOK,
            "TikTok duet": True,
            "TikTok discloses": ["Your brand"],
            "AI generated": True,
            "Cover at (s)": 2,
        },
    ),
    Post(
        "Idea for a trend",
        "Draft: the slow pour",
        (TT_NYC,),
        4,
        ("pour.mp4",),
        {"Format": "Draft to inbox"},
        draft="upload",
    ),
    Post(
        "Two new bags",
        "Which one is yours?",
        (X_BERLIN,),
        5,
        ("red-bag.jpg", "blue-bag.jpg"),
        {"Alt text": "A red sun over a dark sea\nA blue sun over a dark sea"},
    ),
    Post(
        "From farm to cup",
        "Three days with the people who grow it. #coffee",
        (IG_NYC,),
        6,
        ("farm.webp", "harvest.mp4", "tasting.jpg"),
        {
            "Alt text": "A green sun over a dark sea",
            "Tagged people": "@northlight.berlin 0.5 0.4",
            "First comment": "#specialty #directtrade",
        },
    ),
    Post(
        "Brew guide",
        "Our brew guide is online",
        (FB_NYC,),
        5,
        cells={"Link": "https://northlight.example/brew"},
    ),
    Post(
        "The team",
        "Eight people, one roaster.",
        (FB_BERLIN,),
        6,
        ("team.jpg",),
        {"First comment": "Who is who? Guess!"},
        by_clock=True,
    ),
    Post(
        "Three cups",
        "Morning, noon and night #coffee",
        (TT_NYC,),
        6,
        ("red-bag.jpg", "blue-bag.jpg", "cup.jpg"),
        {**_TIKTOK, "TikTok title": "Three cups", "Cover picture": 3},
    ),
    Post(
        "Idea for a slideshow",
        "Draft: from bean to bag",
        (TT_BERLIN,),
        7,
        ("red-bag.jpg", "cup.jpg"),
        {"Format": "Draft to inbox"},
        draft="content_init",
    ),
    Post(
        "Brooklyn opening",
        "We open in Brooklyn!",
        (FB_NYC,),
        8,
        ("street.jpg", "bar.jpg"),
        {"Alt text": "An orange sun over a dark sea\nA blue sun over a dark sea"},
        by_clock=True,
    ),
    Post("First crack", "Can you hear it?", (X_BERLIN,), 8, ("crack.mp4",)),
    Post("Behind the bar", "Ten hours in four seconds", (FB_BERLIN,), 9, ("bar.mp4",), {"Format": "Reel"}),
    Post(
        "Which roast next?",
        "Help us choose. Which roast do you want next?",
        (X_BERLIN,),
        10,
        cells={"Poll": "Light and floral\nDark and round\nSurprise me", "Poll lasts (h)": 48},
    ),
    Post(
        "Steam",
        "It is a cold morning.",
        (X_BERLIN,),
        11,
        ("steam.gif",),
        {
            "Alt text": "A sun that sets over a dark sea",
            "X replies": "People you follow",
            "AI generated": True,
        },
    ),
    Post("Pouring", "", (IG_NYC,), 11, ("pour.mp4",), {"Format": "Story"}),
    Post(
        "At the grinder",
        "Fine, finer, espresso",
        (IG_BERLIN,),
        12,
        ("crack.mp4",),
        {"Cover at (s)": 2, "Reels tab only": True},
    ),
    Post("Behind the scenes", "What happens before eight", (FB_NYC,), 12, ("harvest.mp4",)),
    Post("Open today", "", (IG_BERLIN, FB_NYC), 10, ("today.png",), {"Format": "Story"}),
    Post(
        "How we taste",
        "We taste every lot three times.",
        (X_BERLIN,),
        12,
        cells={"Thread": "Once when it is green.\n---\nOnce when it is roasted, and once when you do."},
    ),
    Post("The long story", "How it all began. " * 20, (X_BERLIN,), 9, wrong=True),
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One post on one account: what should arrive once."""

    post: Post
    account: Account
    due: datetime


def planned(first_due: datetime) -> list[Planned]:
    """All that should go out, in the order of their instants."""
    found = [
        Planned(post, account, first_due + timedelta(seconds=post.at_s))
        for post in POSTS
        if not post.wrong
        for account in post.accounts
    ]
    return sorted(found, key=lambda one: one.due)


def files() -> dict[str, bytes]:
    """The media by name."""
    orange, red, blue, green = (231, 111, 81), (193, 50, 60), (52, 120, 190), (42, 157, 143)
    return {
        "guji.jpg": media.picture("Ethiopia Guji", orange, (1080, 1350)),
        "red-bag.jpg": media.picture("Red bag", red),
        "blue-bag.jpg": media.picture("Blue bag", blue),
        "cup.jpg": media.picture("One cup", green),
        "steam.gif": media.animation("Steam", blue),
        "team.jpg": media.picture("The team", green, (1200, 800)),
        "today.png": media.picture("Open today", green, (1080, 1920), "PNG"),
        "street.jpg": media.picture("Brooklyn", orange, (1200, 800)),
        "bar.jpg": media.picture("The bar", blue, (1200, 800)),
        "farm.webp": media.picture("The farm", green, (2400, 1000), "WEBP"),
        "tasting.jpg": media.picture("The tasting", orange),
        "harvest.mp4": media.video("The harvest", green),
        "roast.mp4": media.video("Roasting day", orange),
        "latte.mp4": media.video("Latte art", red),
        "pour.mp4": media.video("The slow pour", blue),
        "crack.mp4": media.video("First crack", green),
        "bar.mp4": media.video("Behind the bar", red),
    }


def seed(media_host: str = "127.0.0.1") -> dict[str, Any]:
    """What the platforms and Airtable know before: the accounts, an empty base, and where media come from."""

    def of(platform: str) -> Sequence[Account]:
        return [account for account in ACCOUNTS if account.platform == platform]

    def user(account: Account) -> dict[str, Any]:
        return {"account_id": account.account_id, "username": account.username, "token": account.token}

    start = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
    return {
        "airtable": {
            "tokens": [{"token": TOKEN}],
            "bases": [{"id": BASE_ID, "name": "Northlight Coffee", "tables": [start]}],
        },
        "instagram": {"accounts": [user(account) for account in of("instagram")]},
        "tiktok": {
            "clients": [{"client_key": "demo", "client_secret": "demo", "verified_prefixes": [media_host]}],
            "accounts": [user(account) for account in of("tiktok")],
        },
        "x": {"accounts": [user(account) for account in of("x")]},
        "facebook": {
            "pages": [
                {"page_id": account.account_id, "name": account.username, "page_token": account.token}
                for account in of("facebook")
            ]
        },
    }


def tokens() -> dict[str, dict[str, str]]:
    """The file for `schedulo accounts connect`."""
    return {f"{one.platform}:{one.account_id}": {"access_token": one.token} for one in ACCOUNTS}


def faults() -> list[dict[str, Any]]:
    """The orders for `POST /_sandbox/faults`."""
    return [
        {
            "service": account.platform,
            "method": post.fault.method,
            "route": post.fault.route,
            "mode": post.fault.mode,
            "account_id": account.account_id,
        }
        for post in POSTS
        if post.fault
        for account in post.accounts
    ]
