"""The texts of a post on one account: what its author wrote, as this platform and this account want it.

One post has one text, and may have another for a platform. From it comes, in this order: people by their
handles, links with the account's tags, hashtags and link by the account's template, and, where the author
allows it, a shorter text. What is wrong is a problem; what differs from what was written is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count

from schedulo.airtable.rows import AUTHOR, OWNER, PostRow
from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.model import Account, Format, Platform, Problem
from schedulo.planning import hashtags
from schedulo.planning.links import Tags, TagsError, all_tagged, holds, link_tags, links, tagged
from schedulo.planning.mentions import Mentions
from schedulo.planning.shorten import shorten
from schedulo.text import urls
from schedulo.text_rules import TextRule, comment_rule, too_long

PLACEHOLDERS = ("text", "link", "hashtags")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_BODY = "\x00"
"""Where the text stands while the template is filled; no text from Airtable holds it."""
_LINK_IN_TEXT = (Platform.X, Platform.FACEBOOK)
"""Where a link in the text can be clicked, so that the post's link goes there."""
_KEPT_AT_THE_END = re.compile(r"[#＃]\w|https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FittedText:
    text: str = ""
    thread: tuple[str, ...] = ()
    first_comment: str = ""
    link: str | None = None
    """Only where the format has a place of its own for it."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the text."""

    before: str
    after: str

    def around(self, body: str) -> str:
        return f"{self.before}{body}{self.after}"


_BARE = _Frame("", "")


def fit_text(
    row: PostRow, account: Account, format_: Format, mentions: Mentions, limit: TextRule | None
) -> FittedText:
    """The texts of `row` on `account`.

    :param limit: the rule for the text and each part of a thread (`text_rules.text_rule`); None where the
        format carries no text
    """
    if limit is None:
        return FittedText(problems=tuple(_left_out(row, account, format_)))
    return _Fitting(row, account, format_, mentions, limit).fitted()


def _left_out(row: PostRow, account: Account, format_: Format) -> Iterator[Problem]:
    what = {
        "Text": row.texts.get(account.platform) or row.text,
        "Hashtags": row.hashtags,
        "Link": row.link or "",
        "First comment": row.first_comment if comment_rule(account, Format.IMAGE) else "",
    }
    if fields := [name for name, value in what.items() if value.strip()]:
        shape = f"{PLATFORM_WORDS[account.platform]} takes none with a {format_.value}; it is left out"
        yield Problem(", ".join(fields), "", shape, "Nothing has to be done.", warning=True)


@dataclass
class _Fitting:
    row: PostRow
    account: Account
    format: Format
    mentions: Mentions
    limit: TextRule
    problems: list[Problem] = field(default_factory=list)
    tags: Tags = ()

    def fitted(self) -> FittedText:
        row, platform = self.row, self.account.platform
        self.tags = self._link_tags()
        wanted = self._hashtags()
        comment_limit = comment_rule(self.account, self.format)
        in_comment = row.hashtags_in == "comment" and comment_limit is not None
        if row.hashtags_in == "comment" and wanted and not in_comment:
            self._warn(
                "Hashtags go to",
                "First comment",
                f"{self._word} has no first comment here, so they stay in the text",
                "Nothing has to be done.",
            )
        said = self._written("Text", row.texts.get(platform) or row.text)
        text = self._text(said, [] if in_comment else wanted)
        comment = self._comment(wanted if in_comment else [], text, comment_limit)
        thread = self._thread() if platform is Platform.X else ()
        link = tagged(row.link, self.tags) if row.link and self.format is Format.LINK else None
        self._warn_of_links(text, thread)
        return FittedText(text, thread, comment, link, tuple(self.problems))

    @property
    def _word(self) -> str:
        return PLATFORM_WORDS[self.account.platform]

    def _warn(self, field: str, value: str, rule: str, remedy: str) -> None:
        self.problems.append(Problem(field, value, rule, remedy, warning=True))

    def _written(self, field: str, text: str) -> str:
        """With people by their handles, and links with their tags."""
        text, unknown = self.mentions.mapped(text, self.account.platform, field)
        self.problems += unknown
        return all_tagged(text, self.tags)

    # --- parts ---

    def _link_tags(self) -> Tags:
        template = str(self.account.options.get("utm") or "")
        values = {
            "platform": self.account.platform.value,
            "title": self.row.title,
            "account": self.account.name,
            "post": self.row.record_id,
        }
        try:
            return link_tags(template, values)
        except TagsError as error:
            self.problems.append(Problem("UTM tags", template, str(error), OWNER))
            return ()

    def _hashtags(self) -> list[str]:
        """Those of the post, then those of the account."""
        found: list[str] = []
        rule = "is no hashtag: letters, digits and underscores, at least one letter"
        sources = (
            ("Hashtags", self.row.hashtags, AUTHOR),
            ("Hashtags of the account", str(self.account.options.get("hashtags") or ""), OWNER),
        )
        for name, cell, remedy in sources:
            good, bad = hashtags.listed(cell)
            found += good
            self.problems += [Problem(name, tag, rule, remedy) for tag in bad]
        return hashtags.missing(found, ())

    def _template(self) -> str:
        template = str(self.account.options.get("template") or "{text}")
        names = _PLACEHOLDER.findall(template)
        rule = ""
        if unknown := sorted(set(names) - set(PLACEHOLDERS)):
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            rule = f"{{{unknown[0]}}} is unknown; there are {known}"
        elif names.count("text") != 1:
            rule = "it must have {text} once, or what people write would be lost or doubled"
        if not rule:
            return template
        self.problems.append(Problem("Text template", template, rule, OWNER))
        return "{text}"

    # --- the text ---

    def _text(self, said: str, wanted: list[str]) -> str:
        template, link = self._template(), self.row.link
        tags = hashtags.missing(wanted, (said, template))
        place_of_link = "{link}" in template
        link = tagged(link, self.tags) if link else ""
        if link and holds(said, link):
            link = ""
        if tags and "{hashtags}" not in template:
            template += "\n\n{hashtags}"
        if not place_of_link and self.account.platform in _LINK_IN_TEXT and self.format is not Format.LINK:
            template += "\n{link}"
        values = {"link": link, "hashtags": hashtags.joined(tags)}
        frame = _frame(template, values, has_body=bool(said.strip()))
        body = said if frame == _BARE else said.strip()
        if self.row.link and self.account.platform not in _LINK_IN_TEXT:
            self._warn_of_no_link(frame.around(body))
        keep = [tagged(self.row.link, self.tags)] if self.row.link and not link else []
        keep += [f"#{tag}" for tag in hashtags.missing(wanted, (template,)) if tag not in tags]
        return self._sized("Text", body, frame, self.limit, keep)

    def _comment(self, wanted: list[str], text: str, limit: TextRule | None) -> str:
        if limit is None:
            return ""
        said = self._written("First comment", self.row.first_comment)
        tags = hashtags.missing(wanted, (text, said))
        frame = _Frame("", ("\n\n" if said else "") + hashtags.joined(tags) if tags else "")
        return self._sized("First comment", said, frame, limit)

    def _thread(self) -> tuple[str, ...]:
        return tuple(
            self._sized(name, self._written(name, part), _BARE, self.limit)
            for name, part in zip(_names_of_parts(), self.row.thread, strict=False)
        )

    def _sized(self, name: str, body: str, frame: _Frame, limit: TextRule, keep: Iterable[str] = ()) -> str:
        """The body in its frame; cut, where that is needed and allowed.

        Kept are the links in it, `keep` where it is in it, and the hashtags and links that it ends with.
        """
        whole = frame.around(body)
        if not (problem := too_long(name, whole, limit)):
            return whole
        if not self.row.may_shorten:
            self.problems.append(problem)
            return whole
        prose, block = _ending(body)
        keep = [*keep, *(prose[start:end] for start, end in links(prose))]
        moved: list[str] = []
        while True:
            tail = (f"\n{' '.join(moved)}" if moved else "") + block
            cut = shorten(prose, partial(_fits, limit, _Frame(frame.before, tail + frame.after)))
            lost = [item for item in _lost(keep, f"{cut}{tail}") if item not in moved]
            if cut is None or not lost:
                break
            moved += lost
        if cut is None:
            rule = f"{limit.rule()}, and cutting it does not help: its links and hashtags stay"
            self.problems.append(
                Problem(name, limit.measured(whole), rule, f"Shorten it by {limit.over(whole):,}.")
            )
            return whole
        short = frame.around(cut + tail)
        self._warn(
            name,
            limit.measured(whole),
            f"{limit.rule()}, so it goes out cut to {limit.count(short):,}",
            f"Write a shorter one, or a text of its own for {self._word}, if you want other words.",
        )
        return short

    # --- warnings ---

    def _warn_of_no_link(self, text: str) -> None:
        link = self.row.link or ""
        if not holds(text, tagged(link, self.tags)):
            rule = f"{self._word} has no place for a link, so it is left out"
            self._warn("Link", link, rule, "Put it into the text if people should read it there.")

    def _warn_of_links(self, text: str, thread: tuple[str, ...]) -> None:
        platform = self.account.platform
        if platform is Platform.X:
            for name, part in zip(chain(["Text"], _names_of_parts()), (text, *thread), strict=False):
                if found := urls(part):
                    # X: pricing, 2026-04-20: create, create with URL
                    rule = "X charges $0.20 for a post with a link, instead of $0.015 (April 2026)"
                    self._warn(name, part[found[0].start : found[0].end], rule, "Nothing has to be done.")
        elif platform not in _LINK_IN_TEXT and (found_links := links(text)):
            start, end = found_links[0]
            rule = f"a link in a text on {self._word} cannot be clicked"
            self._warn("Text", text[start:end], rule, "Say where else it is found, as in 'link in bio'.")


def _names_of_parts() -> Iterator[str]:
    """Of the parts of a thread: the text is the first."""
    return (f"Thread, part {number}" for number in count(2))


def _fits(limit: TextRule, frame: _Frame, body: str) -> bool:
    return not limit.over(frame.around(body))


def _lost(items: Iterable[str], text: str) -> list[str]:
    """The links and hashtags that a cut text no longer holds."""
    tags = {tag.casefold() for tag in hashtags.standing(text)}
    return [
        item
        for item in dict.fromkeys(items)
        if not (item[1:].casefold() in tags if item.startswith("#") else holds(text, item))
    ]


def _ending(body: str) -> tuple[str, str]:
    """The text, and the hashtags and links that it ends with."""
    at = len(body)
    for word in reversed(list(re.finditer(r"\S+", body))):
        if not _KEPT_AT_THE_END.match(word[0]):
            break
        at = word.start()
    prose = body[:at].rstrip()
    return prose, body[len(prose) :]


def _frame(template: str, values: dict[str, str], *, has_body: bool) -> _Frame:
    """The template filled in. A line of which all placeholders are empty is left out, blank lines at its
    place become one."""
    filled = {**values, "text": _BODY if has_body else ""}
    lines: list[str] = []
    dropped = False
    for line in template.split("\n"):
        names = _PLACEHOLDER.findall(line)
        if names and not any(filled[name] for name in names):
            dropped = True
        elif line.strip() or not (dropped and lines and not lines[-1].strip()):
            lines.append(_PLACEHOLDER.sub(lambda match: filled[match[1]], line))
            dropped = dropped and not line.strip()
    whole = "\n".join(lines).strip()
    before, _, after = whole.partition(_BODY)
    return _Frame(before, after)
