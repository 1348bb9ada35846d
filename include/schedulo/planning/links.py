"""Links in what people write: where they are, and the tags of an account that are added to them.

A link here is one with http or https: nothing else is taken for one that may be changed. A link is never
written anew: what is added is added to its query, all else stays letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote_plus

from schedulo import text as counting

_LINK = re.compile(r"https?://(?=[\w\[])[^\s<>\"“”„«»「」『』（）。、，！？]+", re.IGNORECASE)
_AFTER = ".,;:!?'’…"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SAFE = "-._~%+!*'(),;:@/"
"""Left as they are in a value that somebody wrote; `%` because it may be written encoded."""

Tags = Sequence[tuple[str, str]]
"""Names and values as they stand in a query."""


class TagsError(ValueError):
    """Why a template of tags cannot be used, as a rule that it breaks."""


def links(text: str) -> list[tuple[int, int]]:
    """Where the http(s) links of `text` are: code point indices. What ends a sentence is no part of one."""
    found = []
    for match in _LINK.finditer(text):
        start, end = match.span()
        unpaired = {last: match[0].count(last) - match[0].count(first) for last, first in _PAIRS.items()}
        while end > start:
            last = text[end - 1]
            if unpaired.get(last, 0) > 0:
                unpaired[last] -= 1
            elif last not in _AFTER:
                break
            end -= 1
        found.append((start, end))
    return found


def holds(text: str, link: str) -> bool:
    """Whether `link` stands in `text`, as a whole."""
    return bool(re.search(rf"(?<![\w./]){re.escape(link)}(?![\w/?#&=%-])", text))


def link_tags(template: str, values: Mapping[str, str]) -> Tags:
    """The tags of a template such as `utm_source={platform}&utm_campaign={title}`.

    A tag whose value comes out empty is left out.

    :param values: what may stand in braces
    :raises TagsError: for an unknown placeholder, or a part that is not `name=value`
    """
    made = []
    for part in filter(None, template.strip().lstrip("?&").split("&")):
        name, equals, value = part.partition("=")
        if not equals or not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise TagsError(f"'{part}' is not like name=value")
        for unknown in set(_PLACEHOLDER.findall(value)) - set(values):
            known = ", ".join(f"{{{key}}}" for key in values)
            raise TagsError(f"{{{unknown}}} is unknown; there are {known}")
        pieces = _PLACEHOLDER.split(value)
        written = "".join(
            quote(values[piece], safe="") if index % 2 else quote(piece, safe=_SAFE)
            for index, piece in enumerate(pieces)
        )
        if written:
            made.append((name, written))
    return made


def tagged(link: str, tags: Tags) -> str:
    """`link` with the tags that its query does not have; other than http(s) links stay as they are."""
    if not tags or not re.match(r"https?://[\w\[]", link, re.IGNORECASE):
        return link
    rest, sharp, fragment = link.partition("#")
    _, _, query = rest.partition("?")
    present = {unquote_plus(part.partition("=")[0]).casefold() for part in query.split("&")}
    added = "&".join(f"{name}={value}" for name, value in tags if name.casefold() not in present)
    if not added:
        return link
    joint = "" if rest.endswith(("?", "&")) else "&" if "?" in rest else "?"
    return f"{rest}{joint}{added}{sharp}{fragment}"


def untagged(text: str) -> str:
    """`text` with what says of its links only where they were posted (`utm_...`) taken out, for comparing."""
    pieces, at = [], 0
    for start, end in links(text):
        rest, sharp, fragment = text[start:end].partition("#")
        address, _, query = rest.partition("?")
        kept = [part for part in query.split("&") if part and not part.casefold().startswith("utm_")]
        pieces += [text[at:start], address, *(["?", "&".join(kept)] if kept else []), sharp, fragment]
        at = end
    return "".join([*pieces, text[at:]])


def all_tagged(text: str, tags: Tags) -> str:
    """`text` with its links tagged. A link of which nobody can say where it ends is left as it is."""
    if not tags:
        return text
    certain = {(url.start, url.end) for url in counting.urls(text)}
    pieces, at = [], 0
    for start, end in links(text):
        link = text[start:end]
        path = re.sub(r"^https?://[^/?#]*", "", link, flags=re.IGNORECASE)
        if path.isascii() or (start, end) in certain:  # 'https://a.co/xです' may go on in either way
            pieces += [text[at:start], tagged(link, tags)]
            at = end
    return "".join([*pieces, text[at:]])
