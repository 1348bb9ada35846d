"""Records of the base as values: what a row says, and a `Problem` for every cell that means nothing.

Nothing here raises: a bad cell spoils its own row at most. What a Posts row seems to say about deliveries is
ignored, since a duplicated row copies such cells. Single cells are left to `cells`, records to `client`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from typing import Any

from schedulo.airtable import schema
from schedulo.airtable.cells import AttachmentRef, Cells
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.schema import ACCOUNTS, COMMANDS, DELIVERIES, MENTIONS, POSTS
from schedulo.clock import ClockError, Instant, instant, iso, parse_instant
from schedulo.model import Account, Platform, Problem, State
from schedulo.words import shortened, shown

TAG = re.compile(r"(?:(\d{1,2}):\s*)?@([\w.]{1,30})(?:\s+(\d?\.\d{1,9}|\d)\s+(\d?\.\d{1,9}|\d))?")
PART_LINE = re.compile(r"^[ \t]*-{3,}[ \t]*$", re.MULTILINE)
HANDLE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.]{0,48}[A-Za-z0-9_])?")
"""An @name on any of the platforms, without its sign."""
ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
TITLE_CHARS = 300
MESSAGE_CHARS = 10_000
"""What a person reads; Airtable takes ten times as much."""
MOST_PICTURES = 100
"""More than any platform takes in a post; how many one takes is its own check."""
AUTHOR = "The author of the post corrects it."
OWNER = "Who looks after the accounts corrects it."


@dataclass(frozen=True, slots=True)
class AccountRow:
    record_id: str
    name: str
    platform: Platform | None
    account_id: str
    username: str
    timezone: str
    """Empty where the row names none, or one that does not exist."""
    active: bool
    options: Dict[str, Any]
    """As `model.Account.options`: `login`, `premium`, `template`, `hashtags`, `utm`."""
    problems: tuple[Problem, ...] = ()

    def account(self, base_timezone: str = "UTC") -> Account | None:
        """The account, or None where the row does not say which it is."""
        if self.platform is None or not self.account_id:
            return None
        zone = self.timezone or base_timezone
        return Account(self.platform, self.account_id, self.username or self.name, zone, self.options)


@dataclass(frozen=True, slots=True)
class MentionRow:
    name: str
    """What people write after the @; empty where the row cannot be used."""
    handles: Dict[Platform, str]
    """Without the @. Empty where the cell holds something that is no handle."""


@dataclass(frozen=True, slots=True)
class PostRow:
    record_id: str
    created_ms: int | None
    modified_ms: int | None
    """None where the base has no field for it."""
    title: str
    text: str
    link: str | None
    attachments: tuple[AttachmentRef, ...]
    alt_texts: tuple[str, ...]
    """One for each attachment at the most; missing ones are empty."""
    account_record_ids: tuple[str, ...]
    due_ms: int | None
    due_wall: str
    """The wall-clock time where the row has no instant; which zone counts is settled by `due`."""
    timezone: str
    status_ready: bool
    format: str | None
    """What the author wishes: `post`, `reel`, `draft`, or None."""
    not_after_ms: int | None
    options: Dict[Platform, Dict[str, Any]]
    """As `model.Content.options`, for each platform."""
    thread: tuple[str, ...] = ()
    """What follows the text on X."""
    first_comment: str = ""
    """On Instagram and Facebook."""
    texts: Dict[Platform, str] = field(default_factory=dict)
    """Where a platform has a text of its own."""
    hashtags: str = ""
    """As written, with or without the #."""
    hashtags_in: str = "text"
    """`text` or `comment`."""
    may_shorten: bool = False
    fit: str = ""
    """`crop`, `pad`, `leave`, or empty where the row does not say."""
    cover: AttachmentRef | None = None
    approval: str = ""
    """`needed`, `approved`, `rejected`, or empty."""
    in_maintenance: str = ""
    """`move`, `hold`, or empty."""
    problems: tuple[Problem, ...] = ()

    def due(self, account_timezone: str, mapping: Mapping | None = None) -> Instant | None:
        """When the post is due on an account in `account_timezone`; None where the row does not say.

        :raises ClockError: for a wall-clock time or a zone that means nothing
        """
        if self.due_ms is not None:
            return Instant(self.due_ms)
        if not self.due_wall:
            return None
        names = mapping or Mapping()
        return instant(
            self.due_wall,
            self.timezone or account_timezone,
            field=names.field(POSTS, "Publish at (local)"),
            zone_field=names.field(POSTS, "Time zone")
            if self.timezone
            else names.field(ACCOUNTS, "Time zone"),
        )


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks for on a Deliveries row; counts once, so compare `requested_ms` with the last."""

    key: str
    """As the row says; people may have changed it."""
    record_id: str
    verb: str
    """A verb of `schema.COMMANDS`."""
    requested_ms: int
    resolution: str = ""
    """For `resolve`: `out` or `not_out`; empty where the row says neither."""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a Deliveries row says of a delivery, whoever wrote it there."""

    key: str
    record_id: str
    state: State | None
    """None for a word that means no state."""
    message: str
    updated_ms: int
    accepted_ms: int | None = None
    published_ms: int | None = None
    post_id: str | None = None
    permalink: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a Deliveries row is to say. Instants in ms; `lateness_ms` is accepted minus due."""

    key: str
    record_id: str | None
    title: str
    post_record_id: str | None
    account_record_id: str | None
    platform: Platform | None
    """None for a post of which no delivery can be planned."""
    state: str
    """A word of `schema.STATE_WORDS`, or `schema.NOT_PLANNED`."""
    message: str = ""
    due_ms: int | None = None
    accepted_ms: int | None = None
    published_ms: int | None = None
    lateness_ms: int | None = None
    post_id: str | None = None
    permalink: str | None = None
    attempts: int = 0
    rewrite: bool = True
    """False: when the row is gone it stays gone. For rows that were written anew once already."""
    spelled_out: bool = False
    """True: the state is told in the message. For bases that lack the choice for it."""

    def cells(self, updated_ms: int) -> dict[str, Any]:
        """What changes from report to report, by our names; None empties a cell."""
        message = f"{self.state}. {self.message}".strip() if self.spelled_out else self.message
        return {
            "State": None if self.spelled_out else self.state,
            "Message": shortened(message, MESSAGE_CHARS),
            "Due at": _iso(self.due_ms),
            "Accepted at": _iso(self.accepted_ms),
            "Published at": _iso(self.published_ms),
            "Lateness (s)": None if self.lateness_ms is None else self.lateness_ms / 1000,
            "Post ID": self.post_id,
            "Permalink": self.permalink,
            "Attempts": self.attempts,
            "Updated at": iso(updated_ms),
        }

    def identity(self, *, links: bool = True) -> dict[str, Any]:
        """What is written once, when the row is made. Without `links` where what they point to is gone."""
        cells: dict[str, Any] = {
            "Delivery": shown(self.title, TITLE_CHARS),
            "Key": self.key,
        }
        if self.platform is not None and not self.spelled_out:
            cells["Platform"] = schema.PLATFORM_WORDS[self.platform]
        if links and self.post_record_id:
            cells["Post"] = [self.post_record_id]
        if links and self.account_record_id:
            cells["Account"] = [self.account_record_id]
        return cells


@dataclass(frozen=True, slots=True)
class Update:
    """Some cells of a row that is there, by our names; None empties a cell."""

    key: str
    record_id: str
    cells: Dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one report or update."""

    key: str
    record_id: str | None
    error: str = ""
    """Why the row could not be written; empty when it was."""
    rewritten: bool = False
    """The row had been deleted and was made anew."""


def account_row(record: Dict[str, Any], mapping: Mapping) -> AccountRow:
    """One record of Accounts."""
    cells = Cells(ACCOUNTS, record, mapping, OWNER)
    platform = cells.choice("Platform", schema.PLATFORMS)
    if platform is None and not cells.problems:
        cells.problem("Platform", "", "is empty, and nothing can be published without it")
    account_id = cells.text("Account ID").strip()
    if any(problem.field == cells.name("Account ID") for problem in cells.problems):
        account_id = ""
    elif not account_id:
        cells.problem("Account ID", "", "is empty; it is the platform's own id of the account, not its @name")
    elif not ACCOUNT_ID.fullmatch(account_id):
        rule = "is no id of an account: those are letters, digits, hyphens and underscores, 100 at the most"
        cells.problem("Account ID", account_id, rule)
        account_id = ""
    login = cells.choice("Login", schema.LOGINS)
    premium = cells.checked("Premium")
    options: dict[str, Any] = {}
    if platform == Platform.INSTAGRAM:
        if login is None and not cells.raw("Login"):
            cells.problem("Login", "", f"is empty; Instagram needs one of {', '.join(schema.LOGINS)}")
        elif login is not None:
            options["login"] = login
    if platform == Platform.X:
        options["premium"] = premium
    for name, column in (("template", "Text template"), ("hashtags", "Hashtags"), ("utm", "UTM tags")):
        if said := cells.text(column).strip():
            options[name] = said
    return AccountRow(
        record_id=str(record.get("id", "")),
        name=cells.text("Name"),
        platform=Platform(platform) if platform else None,
        account_id=account_id,
        username=cells.text("Username").strip().removeprefix("@"),
        timezone=cells.zone("Time zone"),
        active=cells.checked("Active"),
        options=options,
        problems=tuple(cells.problems),
    )


def mention_row(record: Dict[str, Any], mapping: Mapping) -> MentionRow:
    """One record of Mentions."""
    cells = Cells(MENTIONS, record, mapping, OWNER)
    handles = {
        Platform(name): cells.text(word).strip().removeprefix("@") for word, name in schema.PLATFORMS.items()
    }
    return MentionRow(
        name=" ".join(cells.text("Name").strip().removeprefix("@").split()),
        handles={
            platform: handle if HANDLE.fullmatch(handle) else ""
            for platform, handle in handles.items()
            if handle
        },
    )


def post_row(record: Dict[str, Any], mapping: Mapping) -> PostRow:
    """One record of Posts."""
    cells = Cells(POSTS, record, mapping, AUTHOR)
    attachments = cells.attachments("Media")
    due_ms = cells.instant_ms("Publish at")
    due_wall = cells.text("Publish at (local)").strip()
    zone = cells.zone("Time zone")
    if due_ms is not None and due_wall:
        other = cells.name("Publish at")
        cells.problem("Publish at (local)", due_wall, f"and '{other}' are both filled", "Empty one of them.")
    if due_wall:
        try:
            ms = instant(due_wall, "UTC", field=cells.name("Publish at (local)")).ms
            if not cells.sane("Publish at (local)", due_wall, ms):
                due_wall = ""
        except ClockError as error:
            cells.problems.append(error.problem)
            due_wall = ""
    ready = cells.text("Status").strip().casefold() == schema.READY.casefold()
    if ready and not any((due_ms, due_wall, cells.raw("Publish at"), cells.raw("Publish at (local)"))):
        cells.problem("Publish at", "", "is empty, so nobody knows when the post should go out")
    accounts = cells.links("Accounts")
    if ready and not accounts and not cells.raw("Accounts"):
        cells.problem("Accounts", "", "is empty, so nobody knows where the post should go out")
    return PostRow(
        record_id=str(record.get("id", "")),
        created_ms=_created_ms(record),
        modified_ms=cells.instant_ms("Last modified"),
        title=cells.text("Title").strip(),
        text=cells.text("Text"),
        link=cells.text("Link").strip() or None,
        attachments=attachments,
        alt_texts=_alt_texts(cells, len(attachments)),
        account_record_ids=accounts,
        due_ms=due_ms,
        due_wall=due_wall,
        timezone=zone,
        status_ready=ready,
        format=cells.choice("Format", schema.FORMATS),
        not_after_ms=cells.instant_ms("Not after"),
        options=_options(cells),
        thread=_thread(cells.text("Thread")),
        first_comment=cells.text("First comment").strip(),
        texts={
            Platform(name): text
            for word, name in schema.PLATFORMS.items()
            if (text := cells.text(f"{word} text")).strip()
        },
        hashtags=cells.text("Hashtags").strip(),
        hashtags_in=cells.choice("Hashtags go to", schema.HASHTAG_PLACES) or "text",
        may_shorten=cells.checked("May be shortened"),
        fit=cells.choice("Fit", schema.FITS) or "",
        cover=_cover(cells),
        in_maintenance=cells.choice("In maintenance", schema.IN_MAINTENANCE) or "",
        approval=cells.choice("Approval", schema.APPROVALS) or "",
        problems=tuple(cells.problems),
    )


def commands(record: Dict[str, Any], mapping: Mapping) -> list[Command]:
    """What people ask for on one record of Deliveries; nothing where the time cannot be read."""
    cells = Cells(DELIVERIES, record, mapping, AUTHOR)
    key = cells.text("Key")
    said = {
        "resolution": cells.choice("Resolve as", schema.RESOLUTIONS) or "",
        "link": cells.text("Resolve link").strip(),
    }
    return [
        Command(key, str(record.get("id", "")), verb, requested_ms, **(said if verb == "resolve" else {}))
        for verb, field in COMMANDS.items()
        if (requested_ms := cells.instant_ms(field)) is not None
    ]


def told_row(record: Dict[str, Any], mapping: Mapping) -> Told | None:
    """One record of Deliveries, as a report reads; None where it does not say whose it is or since when."""
    cells = Cells(DELIVERIES, record, mapping, AUTHOR)
    key, updated_ms = cells.text("Key"), cells.instant_ms("Updated at")
    if not key or updated_ms is None:
        return None
    words = {word: state for state, word in schema.STATE_WORDS.items()}
    return Told(
        key=key,
        record_id=str(record.get("id", "")),
        state=cells.choice("State", words),
        message=cells.text("Message"),
        updated_ms=updated_ms,
        accepted_ms=cells.instant_ms("Accepted at"),
        published_ms=cells.instant_ms("Published at"),
        post_id=cells.text("Post ID") or None,
        permalink=cells.text("Permalink") or None,
    )


def _options(cells: Cells) -> dict[Platform, dict[str, Any]]:
    """By the platforms' own names; TikTok wants everything said, the others only what differs."""
    ai = cells.checked("AI generated")
    cover_ms = cells.seconds_as_ms("Cover at (s)")
    disclosed = cells.chosen("TikTok discloses", schema.TIKTOK_DISCLOSURES)
    tiktok: dict[str, Any] = {
        "disable_comment": not cells.checked("TikTok comments"),
        "disable_duet": not cells.checked("TikTok duet"),
        "disable_stitch": not cells.checked("TikTok stitch"),
        "is_aigc": ai,
        **{toggle: toggle in disclosed for toggle in schema.TIKTOK_DISCLOSURES.values()},
    }
    instagram: dict[str, Any] = {}
    x: dict[str, Any] = {}
    facebook: dict[str, Any] = {}
    if (privacy := cells.choice("TikTok privacy", schema.TIKTOK_PRIVACY)) is not None:
        tiktok["privacy_level"] = privacy
    if cover_ms is not None:
        tiktok["video_cover_timestamp_ms"] = instagram["thumb_offset"] = cover_ms
    if cells.checked("Reels tab only"):
        instagram["share_to_feed"] = False
    if (picture := cells.whole("Cover picture", 1, MOST_PICTURES)) is not None:
        tiktok["photo_cover_index"] = picture - 1
    if headline := cells.text("TikTok title").strip():
        tiktok["title"] = headline
    if cells.checked("TikTok music"):
        tiktok["auto_add_music"] = True
    if tags := _tags(cells):
        instagram["user_tags"] = tags
    if poll := _poll(cells):
        x["poll"] = poll
    if (replies := cells.choice("X replies", schema.X_REPLIES)) is not None:
        x["reply_settings"] = replies
    if ai:
        x["made_with_ai"] = instagram["is_ai_generated"] = True
    if title := cells.text("Facebook title").strip():
        facebook["title"] = title
    return {
        Platform.TIKTOK: tiktok,
        Platform.INSTAGRAM: instagram,
        Platform.X: x,
        Platform.FACEBOOK: facebook,
    }


def _cover(cells: Cells) -> AttachmentRef | None:
    found = cells.attachments("Cover")
    if len(found) > 1:
        cells.problem("Cover", "", f"has {len(found)} files; it must be one picture")
    return found[0] if len(found) == 1 else None


def _tags(cells: Cells) -> list[dict[str, Any]]:
    """Tagged people: `{"index", "username", "x", "y"}`; index counts from 0, x and y are None without."""
    found: list[dict[str, Any]] = []
    for line in filter(None, map(str.strip, cells.text("Tagged people").splitlines())):
        match = TAG.fullmatch(line)
        if match is None:
            cells.problem("Tagged people", line, "is no line like '@name 0.5 0.8' or '2: @name 0.5 0.8'")
            continue
        number, name, x, y = match.groups()
        place = (float(x), float(y)) if x else (None, None)
        found.append({"index": int(number or 1) - 1, "username": name, "x": place[0], "y": place[1]})
    return found


def _poll(cells: Cells) -> dict[str, Any] | None:
    """X's poll, or None."""
    answers = [line.strip() for line in cells.text("Poll").splitlines() if line.strip()]
    lasts_ms = cells.seconds_as_ms("Poll lasts (h)")
    if not answers:
        return None
    minutes = 24 * 60 if lasts_ms is None else round(lasts_ms * 60 / 1000)
    return {"options": answers, "duration_minutes": minutes}


def _thread(text: str) -> tuple[str, ...]:
    parts = PART_LINE.split(text) if text.strip() else []
    return tuple(part.strip() for part in parts)


def _alt_texts(cells: Cells, media: int) -> tuple[str, ...]:
    lines = [line.strip() for line in cells.text("Alt text").rstrip().splitlines()]
    if len(lines) > media:
        rule = f"has {len(lines)} lines for {media} media; it must have one line for each"
        cells.problem("Alt text", "", rule)
    return tuple(lines[:media])


def _created_ms(record: Dict[str, Any]) -> int | None:
    try:
        return parse_instant(record.get("createdTime", ""))
    except ClockError:
        return None


def _iso(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
