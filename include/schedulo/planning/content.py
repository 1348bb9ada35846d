"""What a row means on one account: the format that the media call for, the content, and what is wrong."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from schedulo.accepts import Rules
from schedulo.airtable.rows import PostRow
from schedulo.media.recipe import Recipe, recipe_for, unmendable
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Problem
from schedulo.planning.files import File, Files, called, flawless, stand_in
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
    (Platform.INSTAGRAM, "", _GIF): Format.REEL,
    (Platform.INSTAGRAM, "story", _GIF): Format.STORY,
    (Platform.TIKTOK, "", _VIDEO): Format.VIDEO,
    (Platform.TIKTOK, "post", _VIDEO): Format.VIDEO,
    (Platform.TIKTOK, "reel", _VIDEO): Format.VIDEO,
    (Platform.TIKTOK, "draft", _VIDEO): Format.DRAFT,
    (Platform.TIKTOK, "", _GIF): Format.VIDEO,
    (Platform.TIKTOK, "draft", _GIF): Format.DRAFT,
    (Platform.TIKTOK, "", _IMAGE): Format.IMAGES,
    (Platform.TIKTOK, "draft", _IMAGE): Format.IMAGES_DRAFT,
    (Platform.X, "", None): Format.TEXT,
    (Platform.X, "", _IMAGE): Format.IMAGE,
    (Platform.X, "", _GIF): Format.GIF,
    (Platform.X, "", _VIDEO): Format.VIDEO,
    (Platform.FACEBOOK, "", None): Format.TEXT,
    (Platform.FACEBOOK, "", _IMAGE): Format.IMAGE,
    (Platform.FACEBOOK, "", _VIDEO): Format.VIDEO,
    (Platform.FACEBOOK, "", _GIF): Format.VIDEO,
    (Platform.FACEBOOK, "reel", _GIF): Format.REEL,
    (Platform.FACEBOOK, "reel", _VIDEO): Format.REEL,
    (Platform.FACEBOOK, "story", _IMAGE): Format.STORY,
    (Platform.FACEBOOK, "story", _VIDEO): Format.STORY,
}
_STORIES = frozenset(platform for platform, wish, _ in _SINGLE if wish == "story")
_SEVERAL = (Platform.X, Platform.FACEBOOK, Platform.TIKTOK)
_COVERED = (Format.REEL, Format.VIDEO)
"""What may have a picture that stands for it."""
_REMEDY = "The author of the post corrects it."


@dataclass(frozen=True, slots=True)
class Work:
    """What is still to be done to a file."""

    media: Media
    recipe: Recipe
    trouble: str = ""
    """Why it could not be done when that was last tried."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A row on one account."""

    content: Content | None
    """What is sent, with stand-ins for what is not here. None where the row has no meaning there."""
    problems: tuple[Problem, ...] = ()
    """All that the platform would refuse, and warnings."""
    written: Content | None = None
    """The same with its files as their author gave them."""
    missing: tuple[File, ...] = ()
    """Files that are not here yet."""
    work: tuple[Work, ...] = ()
    """Files that are not made to fit yet."""
    failed: tuple[str, ...] = ()
    """Why files cannot be made to fit, as sentences for their author."""

    @property
    def ready(self) -> bool:
        """Everything that is sent is here."""
        return not (self.missing or self.work)


@dataclass(slots=True)
class _Fitting:
    """Takes each file as it is sent, and notes what is wrong with it or still to be done."""

    files: Files
    rules: Mapping[MediaKind, Rules]
    fit: str
    work: list[Work] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def sent(self, given: Media) -> Media:
        """The file as it is sent; one that breaks no rule stands in where it is not here or of no use."""
        kind, rules = given.kind, self.rules.get(given.kind)
        if rules is None and kind is _GIF:  # an animation that is not taken as such becomes a video
            kind, rules = _VIDEO, self.rules.get(_VIDEO)
        if not given.sha256:
            return flawless(given, kind, rules)
        if rules is None:
            return given
        recipe = recipe_for(given, rules, self.fit)
        if recipe is None:
            wrong = unmendable(given, rules, self.fit)
            self.problems += [breach.problem(given) for breach in wrong]
            return flawless(given, kind, rules) if wrong else given
        made = self.files.rendition(given, recipe)
        if made.media is not None:
            return called(made.media, given)
        if made.problem:
            self.failed.append(made.problem)
        else:
            self.work.append(Work(given, recipe, made.trouble))
        return called(recipe.expected(given), given)


def fit(
    row: PostRow,
    files: Files,
    account: Account,
    conversation: Conversation,
    mentions: Mentions = NOBODY,
    *,
    public_media: bool,
    default_fit: str = "crop",
) -> Fitted:
    """What goes out on `account`, with all that the platform would refuse.

    What is not here yet, or not made to fit, is stood in for, so that all else is checked at once.

    :param default_fit: what is done with shapes that are not taken, where the row does not say
    """
    found = [files.of(ref) for ref in row.attachments]
    kinds = [file.media or stand_in(file) for file in found]
    given = tuple(
        replace(item, alt_text=row.alt_texts[index] if index < len(row.alt_texts) else "")
        for index, item in enumerate(kinds)
        if item is not None
    )
    missing = tuple(file for file in found if file.missing)
    if len(given) < len(found):
        return Fitted(None, missing=missing)  # a file that may be anything
    format_ = _format(row, given, account.platform)
    if isinstance(format_, Problem):
        return Fitted(None, (format_,), missing=missing)
    fitting = _Fitting(files, conversation.accepts(account, format_), row.fit or default_fit)
    cover = None
    if row.cover and format_ in _COVERED:
        file = files.of(row.cover)
        missing += (file,) if file.missing else ()
        cover = file.media or stand_in(file)
    texts = fit_text(row, account, format_, mentions, text_rule(account, format_))
    written = Content(
        format=format_,
        text=texts.text,
        media=given,
        link=texts.link,
        options=dict(row.options.get(account.platform, {})),
        thread=texts.thread,
        first_comment=texts.first_comment,
        cover=cover,
    )
    media = tuple(fitting.sent(item) for item in given)
    content = replace(written, media=media, cover=fitting.sent(cover) if cover else None)
    checked = conversation.check(account, content, public_media=public_media)
    # Both measure texts; of one that cannot be cut, the fitting knows more.
    measured = {(problem.field, problem.value) for problem in texts.problems if not problem.warning}
    rest = [problem for problem in checked if (problem.field, problem.value) not in measured]
    problems = (*texts.problems, *fitting.problems, *rest)
    return Fitted(content, problems, written, missing, tuple(fitting.work), tuple(fitting.failed))


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


def content_hash(written: Content) -> str:
    """Equal for what people would call the same post: spaces, case of the link and options left aside. Empty
    where that is not known, since a file is not here.

    :param written: with its files as their author gave them: how they are made to fit does not count
    """
    if not all(item.sha256 for item in written.media):
        return ""
    essence = [
        " ".join(unicodedata.normalize("NFC", untagged(written.text)).split()),
        [item.sha256 for item in written.media],
        untagged(written.link or ""),
        written.format,
        *(" ".join(untagged(part).split()) for part in written.thread),
    ]
    return hashlib.sha256(json.dumps(essence).encode()).hexdigest()


def fingerprint(written: Content) -> str:
    """Changes with whatever its author changes of what is sent. `written` as for `content_hash`."""
    return hashlib.sha256(json.dumps(written.to_json(), sort_keys=True).encode()).hexdigest()
