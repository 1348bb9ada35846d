"""What a row means on one account: the format that the media call for, the content, and what is wrong."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from schedulo.airtable.rows import PostRow
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Problem
from schedulo.planning.files import File, Files, fitting, stand_in
from schedulo.planning.links import untagged
from schedulo.planning.mentions import NOBODY, Mentions
from schedulo.planning.text import fit_text
from schedulo.platforms.base import Conversation
from schedulo.text_rules import text_rule

_IMAGE, _GIF, _VIDEO = MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO

# (platform, what the author wishes, kind of the media or None) -> format of one medium. "" is no wish.
_SINGLE: Mapping[tuple[Platform, str, MediaKind | None], Format] = {
    (Platform.INSTAGRAM, "", _IMAGE): Format.IMAGE,
    (Platform.INSTAGRAM, "", _VIDEO): Format.REEL,
    (Platform.INSTAGRAM, "post", _IMAGE): Format.IMAGE,
    (Platform.INSTAGRAM, "post", _VIDEO): Format.REEL,
    (Platform.INSTAGRAM, "reel", _VIDEO): Format.REEL,
    (Platform.INSTAGRAM, "story", _IMAGE): Format.STORY,
    (Platform.INSTAGRAM, "story", _VIDEO): Format.STORY,
    (Platform.TIKTOK, "", _VIDEO): Format.VIDEO,
    (Platform.TIKTOK, "post", _VIDEO): Format.VIDEO,
    (Platform.TIKTOK, "reel", _VIDEO): Format.VIDEO,
    (Platform.TIKTOK, "draft", _VIDEO): Format.DRAFT,
    (Platform.TIKTOK, "", _IMAGE): Format.IMAGES,
    (Platform.TIKTOK, "draft", _IMAGE): Format.IMAGES_DRAFT,
    (Platform.X, "", None): Format.TEXT,
    (Platform.X, "", _IMAGE): Format.IMAGE,
    (Platform.X, "", _GIF): Format.GIF,
    (Platform.X, "", _VIDEO): Format.VIDEO,
    (Platform.FACEBOOK, "", None): Format.TEXT,
    (Platform.FACEBOOK, "", _IMAGE): Format.IMAGE,
    (Platform.FACEBOOK, "", _VIDEO): Format.VIDEO,
    (Platform.FACEBOOK, "reel", _VIDEO): Format.REEL,
    (Platform.FACEBOOK, "story", _IMAGE): Format.STORY,
    (Platform.FACEBOOK, "story", _VIDEO): Format.STORY,
}
_STORIES = frozenset(platform for platform, wish, _ in _SINGLE if wish == "story")
_SEVERAL = (Platform.X, Platform.FACEBOOK, Platform.TIKTOK)
_REMEDY = "The author of the post corrects it."


@dataclass(frozen=True, slots=True)
class Fitted:
    """A row on one account."""

    content: Content | None
    """What is sent, with stand-ins for files that are not here. None where the row has no meaning there."""
    problems: tuple[Problem, ...]
    """All that the platform would refuse, and warnings."""
    given: tuple[Media, ...] = ()
    """Its files as their author gave them, the cover last."""
    missing: tuple[File, ...] = ()
    """Files that are not here yet."""

    @property
    def ready(self) -> bool:
        """Everything that is sent is here."""
        return not self.missing


def fit(
    row: PostRow,
    files: Files,
    account: Account,
    conversation: Conversation,
    mentions: Mentions = NOBODY,
    *,
    public_media: bool,
) -> Fitted:
    """What goes out on `account`, with all that the platform would refuse.

    What is not here yet is stood in for, so that text, counts and options are checked at once.
    """
    refs = [files.of(ref) for ref in row.attachments]
    missing = tuple(file for file in (*refs, *_cover(row, files)) if file.missing)
    found = [file.media or stand_in(file) for file in refs]
    given = tuple(
        replace(item, alt_text=row.alt_texts[index] if index < len(row.alt_texts) else "")
        for index, item in enumerate(found)
        if item is not None
    )
    if len(given) < len(found):
        return Fitted(None, (), given, missing)  # a file that may be anything
    format_ = _format(row, given, account.platform)
    if isinstance(format_, Problem):
        return Fitted(None, (format_,), given, missing)
    rules = conversation.accepts(account, format_)
    media = tuple(item if item.sha256 else fitting(item, rules.get(item.kind)) for item in given)
    texts = fit_text(row, account, format_, mentions, text_rule(account, format_))
    content = Content(
        format=format_,
        text=texts.text,
        media=media,
        link=texts.link,
        options=dict(row.options.get(account.platform, {})),
        thread=texts.thread,
        first_comment=texts.first_comment,
    )
    checked = conversation.check(account, content, public_media=public_media)
    # Both measure texts; of one that cannot be cut, the fitting knows more.
    measured = {(problem.field, problem.value) for problem in texts.problems if not problem.warning}
    rest = [problem for problem in checked if (problem.field, problem.value) not in measured]
    return Fitted(content, (*texts.problems, *rest), given, missing)


def _cover(row: PostRow, files: Files) -> tuple[File, ...]:
    return (files.of(row.cover),) if row.cover else ()


def _format(row: PostRow, media: Sequence[Media], platform: Platform) -> Format | Problem:
    if platform is Platform.X and row.options.get(platform, {}).get("poll") and not media:
        return Format.POLL  # with media it stays what the media make it, and X's check tells the two apart
    if row.format == "story" and platform in _STORIES and len(media) != 1:
        return Problem("Media", f"{len(media)} files", "a story is one picture or one video", _REMEDY)
    if len(media) > 1 and platform is Platform.INSTAGRAM:
        if row.format == "reel":
            return Problem("Media", f"{len(media)} files", "a reel is one video", _REMEDY)
        return Format.CAROUSEL
    if len(media) > 1:
        images = all(item.kind is _IMAGE for item in media)
        if platform in _SEVERAL and images:
            drafted = platform is Platform.TIKTOK and row.format == "draft"
            return Format.IMAGES_DRAFT if drafted else Format.IMAGES
        rule = "one image or one video" if platform not in _SEVERAL else "one video, or images only"
        return Problem("Media", f"{len(media)} files", f"{platform} takes {rule} in a post", _REMEDY)
    kind = media[0].kind if media else None
    wish = row.format or ""
    found = _SINGLE.get((platform, wish, kind)) or _SINGLE.get((platform, "", kind))
    if found is None:
        shown = "no media" if kind is None else f"one {kind}"
        return Problem("Media", shown, f"{platform} cannot publish that", _REMEDY)
    if found is Format.TEXT and platform is Platform.FACEBOOK and row.link:
        return Format.LINK
    return found


def content_hash(content: Content, given: Sequence[Media] | None = None) -> str:
    """Equal for what people would call the same post: spaces, case of the link and options left aside. Empty
    where that is not known, since a file is not here.

    :param given: its files as their author gave them, where they are sent otherwise
    """
    files = (content.media if given is None else given)[: len(content.media)]
    if not all(item.sha256 for item in files):
        return ""
    essence = [
        " ".join(unicodedata.normalize("NFC", untagged(content.text)).split()),
        [item.sha256 for item in files],
        untagged(content.link or ""),
        content.format,
        *(" ".join(untagged(part).split()) for part in content.thread),
    ]
    return hashlib.sha256(json.dumps(essence).encode()).hexdigest()


def fingerprint(content: Content, given: Sequence[Media] | None = None) -> str:
    """Changes with anything by which the author would change what is sent. `given` as for `content_hash`."""
    if given is not None:
        content = replace(content, media=tuple(given[: len(content.media)]))
    return hashlib.sha256(json.dumps(content.to_json(), sort_keys=True).encode()).hexdigest()
