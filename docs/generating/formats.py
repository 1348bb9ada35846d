"""What goes out, what is checked, and what proves that a post is out.

What no table holds, the proofs, is written here; a format without one is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from generating.markdown import page, table
from schedulo import text_rules
from schedulo.accepts import MB, Pictures, Rules, Videos, ratio
from schedulo.airtable import schema
from schedulo.model import Account, Format, MediaKind, Platform
from schedulo.platforms import facebook_limits, instagram_accepts, tiktok_accepts, x_accepts


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
        "15 minutes, not counting an outage or a limit that keeps it back, and two hours at the most; then, "
        "or when it is refused, a person is asked, and the post stays as it is.",
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
