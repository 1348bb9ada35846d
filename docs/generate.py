"""Writes the reference pages that are facts of the code: `python docs/generate.py`.

What a page says comes from the tables that the program itself works by, so it cannot say anything else. Only
what no table holds (what proves that a post is out) is written here; a format without it is an error.
"""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from textwrap import dedent
from typing import Any

from schedulo import text_rules
from schedulo.accepts import MB, Pictures, Rules, Videos, ratio
from schedulo.airtable import schema
from schedulo.airtable.base import NEEDED_SCOPES
from schedulo.delivery.incidents import RULES as INCIDENTS
from schedulo.delivery.transitions import OUT, RESTING, TRANSITIONS
from schedulo.errors import KINDS, KindInfo, Rule, Scope, Strategy
from schedulo.errors import airtable as airtable_errors
from schedulo.errors.meta import META_RULES
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.errors.x import X_RULES
from schedulo.model import Account, Format, MediaKind, Platform, State
from schedulo.platforms import facebook_limits, instagram_accepts, tiktok_accepts, x_accepts
from schedulo.settings import Settings

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by docs/generate.py from {source}. Change that, then run it again. -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a cell may hold any text."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def page(title: str, source: str, *parts: str) -> str:
    return "\n".join([f"# {title}", "", NOTE.format(source=source), *(part.strip() + "\n" for part in parts)])


# --- the base -------------------------------------------------------------------------------------------


def base_schema() -> str:
    parts = [
        "What `schedulo airtable create` makes and `schedulo airtable check` looks for. People and their "
        "apps write *Accounts* and *Posts*; Schedulo writes *Deliveries* and nothing else, and there people "
        "write the two requests. Other names: a [mapping file](../how-to/connect-a-real-base-and-accounts.md"
        "#other-names).",
        f"The token needs the scopes {', '.join(f'`{scope}`' for scope in NEEDED_SCOPES)}; to create tables, "
        "`schema.bases:write` as well.",
    ]
    for each in schema.TABLES:
        rows = [
            (
                field.name + ("" if field.required else " (optional)"),
                f"`{field.type}`" + (f" to {field.link}" if field.link else ""),
                field.by,
                field.description,
                ", ".join(field.choices),
            )
            for field in each.fields
        ]
        parts += [f"## {each.name}", each.description, table(_BASE_HEAD, rows)]
    accepted = sorted(
        {
            (str(f.type), f.by.value, ", ".join(f"`{t}`" for t in f.accepted))
            for t in schema.TABLES
            for f in t.fields
        }
    )
    parts += [
        "## Types that serve as well",
        "A base of your own may use another type, where Schedulo can work with it.",
        table(
            ("type", "written by", "these serve"), [(f"`{kind}`", by, types) for kind, by, types in accepted]
        ),
        "## What the States mean",
        f"The words of the field *State*, and *{schema.NOT_PLANNED}* for a post with a problem: "
        "[states](states.md).",
    ]
    return page("The base", "include/schedulo/airtable/schema.py", *parts)


_BASE_HEAD = ("field", "type", "written by", "what it is", "choices")


# --- settings -------------------------------------------------------------------------------------------


def settings_page() -> str:
    parts = [
        "Read once at the start of each process from the environment: `SCHEDULO_` and the name in capitals. "
        "Durations are seconds. A value that cannot be read, or breaks a rule, ends the process with a "
        "sentence that names it.",
        "Rules: `QUIET_S` must be greater than `WINDOW_S + KERNEL_S + LATE_S + LAG_S` "
        "([why](../explanation/why-once.md#the-window)); `HORIZON_S` at least 60; `FENCE_LEAD_S` smaller "
        "than `WINDOW_S`.",
    ]
    for section, names in _settings_sections().items():
        rows = [(f"`SCHEDULO_{name.upper()}`", _default(name), _SETTING_TEXT[name]) for name in names]
        parts += [f"## {section}", table(("variable", "default", "meaning"), rows)]
    return page("Settings", "include/schedulo/settings.py", *parts)


def _settings_sections() -> dict[str, list[str]]:
    """The settings in their order, by the comments that head them in the class."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in inspect.getsource(Settings).splitlines():
        text = line.strip()
        if text.startswith("# "):
            section = text[2:].partition(":")[0]
        elif (name := text.partition(":")[0]) in {item.name for item in fields(Settings)}:
            found.setdefault(section, []).append(name)
    return found


def _setting_texts() -> dict[str, str]:
    """The string under each field of the class."""
    (body,) = (
        node.body
        for node in ast.parse(dedent(inspect.getsource(Settings))).body
        if isinstance(node, ast.ClassDef)
    )
    texts = {item.name: "" for item in fields(Settings)}
    for field, after in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(field.target, ast.Name)
            texts[field.target.id] = str(ast.literal_eval(after.value))
    return texts


_SETTING_TEXT = _setting_texts()


def _default(name: str) -> str:
    value = {"home": "~/.schedulo"}.get(name, getattr(Settings(home="/"), name))
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "(empty)"


# --- states ---------------------------------------------------------------------------------------------


def states_page() -> str:
    rows = [
        (
            f"`{state}`",
            schema.STATE_WORDS[state],
            "resting" if state in RESTING else "",
            "yes" if state in OUT else "",
            ", ".join(f"`{target}`" for target in State if target in TRANSITIONS[state]),
        )
        for state in State
    ]
    return page(
        "States of a delivery",
        "include/schedulo/delivery/transitions.py",
        "One post on one account is a *delivery*. Every change of its state is a move of this table, made "
        "by one function, `move`. Two things follow: `unknown` and `sending` never become `missed` or "
        "`cancelled`, because what may be out must be looked up first; and a late answer may lead to "
        "`published` from anywhere, because evidence counts whenever it comes.",
        table(("state", "word in Airtable", "", "the platform took it", "may become"), rows),
        "*Resting*: nobody works on it until a person asks.",
        f"*{schema.NOT_PLANNED}* in Airtable is `cancelled` with the problem of the post as its reason; it "
        "is planned again when the post is mended ([why](../decisions/0011-not-planned-is-cancelled.md)). "
        f"*{schema.UNAPPROVED}* is `held` until a person approves it "
        "([why](../decisions/0030-approval-is-a-column.md)). "
        f"*{schema.PREPARED}* is `scheduled` with its media here and fit "
        "([how posts are prepared](../how-to/prepare-posts.md)).",
    )


# --- incidents ------------------------------------------------------------------------------------------


def incidents_page() -> str:
    rows = [
        (
            f"`{trouble}`",
            rule.title,
            f"{rule.patience_s:g} s" if rule.patience_s else "at once",
            rule.doing,
            rule.todo,
            rule.until,
        )
        for trouble, rule in INCIDENTS.items()
    ]
    return page(
        "Incidents",
        "schedulo.delivery.incidents",
        "What people are told of ([get notified](../how-to/get-notified.md)). One incident is one cause: its "
        "key in the table `incidents` is the kind and what it is about (an account, a platform's answer, a "
        "hold, a channel); the posts that it hit are in `incident_cases`.",
        table(("kind", "what happened", "told", "what is being done", "what to do", "over when"), rows),
        "What needs nobody is told where it lasts longer than ten minutes.",
    )


# --- errors ---------------------------------------------------------------------------------------------


def errors_page() -> str:
    parts = [
        "Every answer that is not a success becomes a *kind*. The kind decides what is done, how often "
        "and for how long, what people read, and who must act. An attempt is one that failed; waiting for "
        "a limit is none. Pauses double each time, less up to half at random. Whatever the kind says, a "
        "post whose own time is over is missed.",
        "*Holds*: an error that says something about the account, or about our app on the platform, holds "
        "all its posts once instead of failing each; they go out when the hold ends ([when a post "
        "fails](../how-to/when-a-post-fails.md)).",
        "## Kinds",
    ]
    for plan in _PLANS:
        rows = [
            (f"`{kind}`", *plan.limits(info), info.sentence.format(platform="the platform"))
            for kind, info in KINDS.items()
            if info.strategy is plan.strategy
        ]
        parts += [f"### {plan.name}", plan.text, table(("kind", *plan.head, "what people read"), rows)]
    parts += [
        "## What each service's answers mean",
        "The most specific row that fits wins: by subcode, then text, code, phase, status. Empty columns "
        "fit anything. Phases: *commit* is the request that publishes, *arm* is all before it, *read* is "
        "asking afterwards. TikTok's upload server has no codes and is `upload` here; the subcode "
        "`failed` marks its reasons of a post that FAILED. X's subcode is the upload call.",
        "*Proof*: as the answer to the commit, it proves that nothing was published, and the kind "
        "decides; as an answer that is read, that nothing will be. Without it, and for every answer to "
        "the commit that no row knows, the outcome is unknown: the post is looked up before anything is "
        "sent again.",
        "An answer in which the service says nothing itself (a gateway's page, an empty or broken text, "
        "JSON of another shape) proves nothing and stops no post: before the commit it is tried again, by "
        "its status as `platform_down`, `rate_limited` or `not_understood`. A 2xx to the commit means "
        "that the post was taken, whatever the text.",
        "Airtable's errors touch what is read and reported there. Posts that are planned go out meanwhile.",
        "Every row is met by a test in which the sandbox gives that answer: to a real publisher "
        "(`tests/schedulo/publishing/test_every_code.py`), or to the client of Airtable "
        "(`tests/schedulo/airtable/test_every_code.py`).",
    ]
    for name, rules in _TABLES.items():
        parts += [f"### {name}"]
        for source in dict.fromkeys(rule.source for rule in rules):
            parts += [f"**{source}**", _table([rule for rule in rules if rule.source == source])]
    return page("Errors", "include/schedulo/errors", *parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """A strategy in words, and which limits of its kinds are worth a column."""

    strategy: Strategy
    name: str
    text: str
    head: tuple[str, ...]
    limits: Callable[[KindInfo], tuple[str, ...]]


def _attempts(info: KindInfo) -> tuple[str, ...]:
    return (
        str(info.max_attempts),
        f"{info.max_elapsed_s / 60:g} min",
        f"{info.base_wait_s:g} s",
        info.actor,
    )


_TRIED = ("attempts", "at most for", "first pause", "who acts in the end")
_PLANS = (
    Plan(
        Strategy.RETRY,
        "Tried again",
        "After a growing pause, until it works, or attempts or time are used up and the post fails.",
        _TRIED,
        _attempts,
    ),
    Plan(
        Strategy.REARM,
        "Prepared anew",
        "What was prepared is dropped and made again; within the same limits.",
        _TRIED,
        _attempts,
    ),
    Plan(
        Strategy.WAIT,
        "Waited for",
        "Until the end of the limit that the platform names; the wait is the one where it names none. No "
        "limit of attempts: only the post's own window ends it.",
        ("wait", "holds"),
        lambda info: (f"{info.base_wait_s:g} s", _held(info.scope)),
    ),
    Plan(
        Strategy.RECONCILE,
        "Looked up",
        "Nothing is sent before it is known what became of it ([why once](../explanation/why-once.md)).",
        (),
        lambda info: (),
    ),
    Plan(
        Strategy.STOP,
        "Left to a person",
        "Repeating does not mend it. The post fails, or waits with the others that the hold is about.",
        ("holds", "who acts"),
        lambda info: (_held(info.scope), info.actor),
    ),
)
assert {plan.strategy for plan in _PLANS} == set(Strategy)


def _held(scope: Scope) -> str:
    return "" if scope is Scope.DELIVERY else f"the {scope}"


_TABLES: Mapping[str, Sequence[Rule]] = {
    "Instagram and Facebook": META_RULES,
    "X": X_RULES,
    "TikTok": TIKTOK_RULES,
    "Airtable": airtable_errors.RULES,
}
_RULE_HEAD = ("status", "code", "subcode", "text", "phase", "kind", "holds", "proof")


def _table(rules: Sequence[Rule]) -> str:
    """One row for all rules that differ in one of subcode, code and status; columns that say something."""
    rows: list[tuple[Any, ...]] = [
        (
            *((str(value),) if value else () for value in (rule.status, rule.code, rule.subcode)),
            rule.text,
            rule.phase or "",
            f"`{rule.kind}`",
            "" if rule in airtable_errors.RULES else _held(rule.scope or KINDS[rule.kind].scope),
            "yes" if rule.refusal else "",
        )
        for rule in rules
    ]
    for column in (2, 1, 0):
        groups: dict[tuple[Any, ...], list[str]] = {}
        for row in rows:
            key = (*row[:column], bool(row[column]), *row[column + 1 :])  # none means any: not to be merged
            groups.setdefault(key, []).extend(row[column])
        rows = [(*key[:column], tuple(names), *key[column + 1 :]) for key, names in groups.items()]
    shown = [(*(_listed(names) for names in row[:3]), *row[3:]) for row in rows]
    kept = [column for column in range(len(_RULE_HEAD)) if any(row[column] for row in shown)]
    return table([_RULE_HEAD[column] for column in kept], [[row[column] for column in kept] for row in shown])


def _listed(names: Sequence[str]) -> str:
    """Names in a row; numbers that follow each other as a range."""
    ranges: list[list[str]] = []
    for name in names:
        last = ranges[-1][-1] if ranges else ""
        if name.isdecimal() and last.isdecimal() and int(name) == int(last) + 1:
            ranges[-1].append(name)
        else:
            ranges.append([name])
    parts = [
        [f"{found[0]} to {found[-1]}"] if len(found) > 2 else found
        for found in ranges  # two are no range
    ]
    return ", ".join(itertools.chain.from_iterable(parts))


# --- formats --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """How a format goes out. No table of the program says it in words."""

    commit: str
    """The one request that cannot be taken back."""
    proof: str
    """How a post is found when the answer to that request was lost."""


_CONTAINER = Way(
    "`media_publish` of the prepared container",
    "the container says PUBLISHED; else the one post with this caption on the account",
)
_STORY = Way(
    "`media_publish` of the prepared container",
    "the container says PUBLISHED; a story that it does not prove is a person's to find",
)
_CHUNK = Way("the last chunk of the file", "the status of the publish id, and how many bytes arrived")
_FETCHED = Way(
    "the request by which TikTok fetches the pictures",
    "the account's list of posts, where it shows pictures; else nothing, and a person is asked",
)
_FETCHED_DRAFT = Way(
    "the request by which TikTok fetches the pictures", "nothing: the creator looks into the inbox"
)
_X_TEXT = Way("`POST /2/tweets`", "the one newer post of the account with this text")
_X_MEDIA = Way(
    "`POST /2/tweets` with the uploaded media", "the newer post with these media keys, else this text"
)
_DRAFT = Way("`is_published=true` on the unpublished post", "the post says whether it is public")
_PHOTOS = Way("a feed post with the unpublished photos", "the public post with these photos")
_VIDEO = Way("`finish` of the upload session", "the status of the video")
_PAGE_STORY = Way(
    "`photo_stories` with the unpublished photo, or `finish` of the uploaded video",
    "the story of the Page that shows this photo or video; for a video that none shows, its status",
)

WAYS: Mapping[tuple[Platform, Format], Way] = {
    (Platform.INSTAGRAM, Format.IMAGE): _CONTAINER,
    (Platform.INSTAGRAM, Format.REEL): _CONTAINER,
    (Platform.INSTAGRAM, Format.CAROUSEL): _CONTAINER,
    (Platform.INSTAGRAM, Format.STORY): _STORY,
    (Platform.TIKTOK, Format.VIDEO): _CHUNK,
    (Platform.TIKTOK, Format.DRAFT): _CHUNK,
    (Platform.TIKTOK, Format.IMAGES): _FETCHED,
    (Platform.TIKTOK, Format.IMAGES_DRAFT): _FETCHED_DRAFT,
    (Platform.X, Format.TEXT): _X_TEXT,
    (Platform.X, Format.POLL): _X_TEXT,
    (Platform.X, Format.IMAGE): _X_MEDIA,
    (Platform.X, Format.IMAGES): _X_MEDIA,
    (Platform.X, Format.VIDEO): _X_MEDIA,
    (Platform.X, Format.GIF): _X_MEDIA,
    (Platform.FACEBOOK, Format.TEXT): _DRAFT,
    (Platform.FACEBOOK, Format.LINK): _DRAFT,
    (Platform.FACEBOOK, Format.IMAGE): _PHOTOS,
    (Platform.FACEBOOK, Format.IMAGES): _PHOTOS,
    (Platform.FACEBOOK, Format.VIDEO): _VIDEO,
    (Platform.FACEBOOK, Format.REEL): _VIDEO,
    (Platform.FACEBOOK, Format.STORY): _PAGE_STORY,
}


def formats_page() -> str:
    limits = {
        Platform.INSTAGRAM: _instagram(),
        Platform.TIKTOK: _tiktok(),
        Platform.X: _x(),
        Platform.FACEBOOK: _facebook(),
    }
    names = {key: word for word, key in schema.PLATFORMS.items()}
    parts = [
        "What goes out in this release, what is checked before a post is planned, which request publishes "
        "it, and how it is found again when the answer to that request was lost "
        "([why once](../explanation/why-once.md)). MB is 1,000,000 bytes.",
    ]
    for platform, lines in limits.items():
        rows = [(f"`{kind}`", what, *_way(platform, kind)) for kind, what in lines.items()]
        parts += [
            f"## {names[platform]}",
            table(("format", "checked", "the request that publishes", "what proves that it is out"), rows),
            _MORE[platform],
        ]
    parts += [
        "## What follows a post",
        "Each is a request of its own with a fence of its own, sent once the post is out. It may follow for "
        "15 minutes; then, or when it is refused, a person is asked, and the post stays as it is.",
        table(
            ("what", "field in Posts", "the request", "what proves that it is there", "where it fails"),
            _FOLLOWING,
        ),
    ]
    missing = set(WAYS) - {(platform, kind) for platform, lines in limits.items() for kind in lines}
    assert not missing, f"{missing} are described and no longer there"
    return page("Formats", "include/schedulo/platforms", *parts)


def _way(platform: Platform, kind: Format) -> tuple[str, str]:
    way = WAYS[platform, kind]
    return way.commit, way.proof


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f}".removesuffix(".0") + " MB"


def _types(names: Iterable[str]) -> str:
    words = {"quicktime": "mov", "mp2t": "ts", "x-matroska": "mkv"}
    return " or ".join(words.get(kind := name.partition("/")[2], kind).upper() for name in names)


def _instagram() -> dict[Format, str]:
    i = instagram_accepts
    caption = (
        f"caption {text_rules.INSTAGRAM.most:,} UTF-16 units, {text_rules.INSTAGRAM.hashtags} hashtags, "
        f"{text_rules.INSTAGRAM.mentions} mentions"
    )
    found = {}
    for kind, shape in i.SHAPES.items():
        if kind is Format.CAROUSEL:
            files = f"{shape.least} to {shape.most} files, each like that of `image` or of `reel`"
        else:
            files = "; or ".join(f"one {_limits(i.RULES[kind][what])}" for what in shape.kinds)
        alt = f"alt text of pictures {i.ALT_TEXT_CHARS:,} characters" if shape.alt_texts else ""
        cover = f"a cover is {_limits(i.COVER)}" if kind is Format.REEL else ""
        text = caption if shape.captioned else "no text, no comment"
        found[kind] = "; ".join(filter(None, (files, alt, cover, text)))
    return found


def _tiktok() -> dict[Format, str]:
    t = tiktok_accepts
    video = f"one {_limits(t.VIDEO)}"
    photos = f"1 to {t.MAX_PHOTOS}, each {_limits(t.PHOTO)}; a public media address"
    texts = f"text {text_rules.TIKTOK_PICTURES.most:,} and title {t.TITLE_UNITS} UTF-16 units"
    choices = (
        "a privacy level is chosen; what the account may do is asked up to a day ahead, and again before it "
        "goes out"
    )
    return {
        Format.VIDEO: f"{video}; text {text_rules.TIKTOK_VIDEO.most:,} UTF-16 units; {choices}",
        Format.DRAFT: f"{video}; text and settings are chosen in the app",
        Format.IMAGES: f"{photos}; {texts}; {choices}",
        Format.IMAGES_DRAFT: f"{photos}; {texts}; settings are chosen in the app",
    }


def _limits(rules: Rules) -> str:
    """What a file must be like, in a few words."""
    parts = [_types(rules.types), f"at most {_mb(rules.max_bytes)}"]
    if isinstance(rules, Videos):
        shortest, longest = rules.duration_ms
        parts.append((f"{_duration(shortest)} to " if shortest else "at most ") + _duration(longest))
    if rules.aspect:
        low, high = map(ratio, rules.aspect)
        parts.append(low if low == high else f"{low} to {high}")
    least = rules.min_width, rules.min_height if isinstance(rules, Videos) else 0
    if any(least):
        parts.append(f"at least {_sides(*least)}")
    if rules.max_width or rules.max_height:
        parts.append(f"at most {_sides(rules.max_width, rules.max_height)}")
    if isinstance(rules, Pictures):
        parts[-1] += ", upright or lying" if rules.either_way else ""
        parts += [f"at most {rules.max_frames} frames"] if rules.max_frames else []
        volume = rules.max_frame_pixels
        parts += [f"{volume // 1_000_000} million pixels in all its frames"] if volume else []
        parts += ["sRGB"] if rules.srgb else []
        return ", ".join(parts)
    parts.append(f"{_codecs(rules.video_codecs)} with {_codecs(rules.audio_codecs)}")
    if rules.fps:
        slowest, fastest = rules.fps
        parts.append((f"{slowest:g} to " if slowest else "at most ") + f"{fastest:g} frames a second")
    parts += [f"at most {rules.max_bit_rate / MB:g} Mbit/s"] if rules.max_bit_rate else []
    parts += ["its index first"] if rules.index_first else []
    return ", ".join(parts)


def _duration(ms: int) -> str:
    if ms % 3_600_000 == 0 and ms:
        return f"{ms // 3_600_000} h"
    return f"{ms // 60_000} min" if ms >= 600_000 and ms % 60_000 == 0 else f"{ms / 1000:g} s"


def _sides(width: int | None, height: int | None) -> str:
    if width and height:
        return f"{width}x{height}"
    return f"{width} pixels wide" if width else f"{height} pixels high"


def _codecs(names: Iterable[str]) -> str:
    return " or ".join(name.upper() for name in names)


def _x() -> dict[Format, str]:
    x = x_accepts
    plain, premium = (Account(Platform.X, "1", "", options={"premium": premium}) for premium in (False, True))
    text = (
        f"text of weight {text_rules.X.most} (Premium {text_rules.X_PREMIUM.most:,}), a link counts "
        "23; one cashtag"
    )
    alt = f"; alt text {x.MAX_ALT_CHARACTERS:,} characters"
    found = {}
    for kind, (_, least, most) in x.SHAPES.items():
        media = "no media"
        for what, rules in x.rules(plain, kind).items():
            number = "one" if most == 1 else f"{least} to {most}, each"
            media = f"{number} {_limits(rules)}" + (alt if what is not MediaKind.VIDEO else "")
            better = x.rules(premium, kind)[what]
            if isinstance(better, Videos) and better != rules:
                media += f"; Premium {_duration(better.duration_ms[1])} and {_mb(better.max_bytes)}"
        found[kind] = f"{media}; {text}"
    answers, minutes = x.POLL_ANSWERS, x.POLL_MINUTES
    found[Format.POLL] = (
        f"no media; {answers[0]} to {answers[1]} answers of {x.POLL_ANSWER_CHARACTERS} characters (an emoji "
        f"counts as two or more); {minutes[0]} min to {minutes[1] // 1440} days; {text}"
    )
    return found


def _facebook() -> dict[Format, str]:
    f = facebook_limits
    text = f"text {text_rules.FACEBOOK.most:,} UTF-16 units"
    found = {}
    for kind, (least, most) in f.NUMBERS.items():
        number = "one " if most == 1 else f"{least} or more, each "
        # Animations are taken by the same rules as pictures, and no row plans one.
        media = [
            _limits(rules) for what, rules in f.ACCEPTS.get(kind, {}).items() if what is not MediaKind.GIF
        ]
        found[kind] = (number + "; or ".join(media) if media else "no media") + f"; {text}"
    found[Format.STORY] = (
        found[Format.STORY].removesuffix(text) + "no words: they are left out, and said to be"
    )
    found[Format.VIDEO] += f"; title {f.TITLE_CHARS} characters; a cover: {_limits(f.THUMBNAIL)}"
    found[Format.REEL] += f"; title {f.TITLE_CHARS} characters"
    return found


_MORE = {
    Platform.INSTAGRAM: "Images and covers, and videos of accounts with Instagram Login, are fetched by "
    "Instagram from `SCHEDULO_MEDIA_BASE_URL`. With Facebook Login videos may be uploaded instead "
    "(`SCHEDULO_IG_UPLOAD=resumable`, or no media address). Several files make a carousel, published by one "
    "request; Instagram crops all of it to the shape of its first file, and the author is told so before. "
    "It is read back afterwards: where Instagram dropped a file, the post stays and a person is told. "
    "*Story* in *Format* makes a story. How many posts the account has left for the day is asked before a "
    "post is prepared; it waits until there is room.",
    Platform.TIKTOK: "`draft` and `images_draft` are *Draft to inbox* in Posts: they end as *Waiting for you "
    "in the app*. A draft of a video takes no text along, one of pictures does. Pictures are always fetched "
    "by TikTok, from `SCHEDULO_MEDIA_BASE_URL`, whose domain has to be verified at TikTok; videos are "
    "where `SCHEDULO_TIKTOK_SOURCE=pull`. What is fetched is published by the request that begins the "
    "post: its answer is the only handle, and it is never sent twice, so a doubt goes to a person. Comments, "
    "duets and stitches are off unless the row allows them; what the account has switched off stays off, and "
    "the message says so.",
    Platform.X: "A link of the row is put at the end of the text. Answers in *Poll* make a poll; X takes "
    "none beside media, and such a row says so.",
    Platform.FACEBOOK: "With `SCHEDULO_FACEBOOK_TWO_PHASE=false` text and links go out with one request and "
    "are found again by their text or link.",
}
_FOLLOWING = [
    (
        "parts of a thread on X, 280 characters each",
        "*Thread*: parted by lines of `---`",
        "`POST /2/tweets` as a reply to the part before",
        "the reply to that part with this text",
        "*Published in part*; the message says which part is missing",
    ),
    (
        "the first comment on Instagram and Facebook, 2,196 characters",
        "*First comment*",
        "`comments` of the post",
        "the comment with this text under the post",
        "*Published*, with the reason as its message",
    ),
]

PAGES = {
    "base-schema.md": base_schema,
    "settings.md": settings_page,
    "incidents.md": incidents_page,
    "states.md": states_page,
    "errors.md": errors_page,
    "formats.md": formats_page,
}


def main() -> None:
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
