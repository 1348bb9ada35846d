"""Cutting a text short where a reader would: after a sentence, else after a word.

Never inside a link, a mention, a hashtag, or what is seen as one character (an emoji of several code points,
a letter with its accents). What follows is an ellipsis. How long a text may be is the caller's to say.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence

from wcwidth import iter_graphemes

from schedulo import text as counting
from schedulo.planning.hashtags import belongs
from schedulo.planning.links import links

ELLIPSIS = "…"
SENTENCE_SHARE = 0.6
"""A cut after a sentence is taken if it leaves at least this much of what a cut after a word would."""
WORD_SHARE = 0.2
"""The same for a cut after a word, compared with one anywhere: a long text may have no spaces."""

_SIGNS = "@＠#＃$"
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*$")
_WIDE_SENTENCE_END = re.compile(r"[。！？][」』）”]*$")
_ABBREVIATION = re.compile(r"(?<!\w)\w{1,2}\.$")
_DANGLING = " \t\n\r\u00a0\u3000,;:–—-(（「『、，"


def shorten(text: str, fits: Callable[[str], bool]) -> str | None:
    """The longest sensible beginning of `text` and an ellipsis; `text` itself where it fits.

    :param fits: whether a text is short enough; asked with what would be returned
    :return: None where not even the first word fits
    """
    if fits(text):
        return text
    breaks = _breaks(text)
    anywhere = _last_fitting(text, breaks, fits)
    words = _last_fitting(text, [at for at in breaks if _between_words(text, at)], fits)
    sentences = _last_fitting(text, [at for at in breaks if _after_sentence(text, at)], fits)
    at = anywhere
    if words >= WORD_SHARE * anywhere:
        at = words
    if sentences and sentences >= SENTENCE_SHARE * at:
        at = sentences
    return _cut(text, at) if at else None


def protected(text: str) -> list[tuple[int, int]]:
    """Where links, mentions and hashtags are: what must go out whole or not at all."""
    spans = links(text)
    spans += [(url.start, url.end) for url in counting.urls(text)]
    at = 0
    while at < len(text):
        if text[at] in _SIGNS:
            end = at + 1
            while end < len(text) and (text[end] == "." or belongs(text[end])):
                end += 1
            if end > at + 1:
                spans.append((at, end))
            at = end
        else:
            at += 1
    return sorted(spans)


def _breaks(text: str) -> list[int]:
    """Where a cut is possible at all, in order."""
    found: list[int] = []
    spans = iter(protected(text))
    closed_until = 0
    start, end = next(spans, (len(text), len(text)))
    at = 0
    for character in iter_graphemes(text):
        while start < at:
            closed_until = max(closed_until, end)
            start, end = next(spans, (len(text), len(text)))
        if at and at >= closed_until:
            found.append(at)
        at += len(character)
    return found


def _between_words(text: str, at: int) -> bool:
    """At a space, or between two characters of a script that is written without."""
    before, after = text[at - 1], text[at]
    if after.isspace():
        return not before.isspace()
    return _unspaced(before) and _unspaced(after) and unicodedata.category(after)[0] != "P"


def _unspaced(character: str) -> bool:
    wide = unicodedata.east_asian_width(character) in "WF" and not "가" <= character <= "힣"
    return wide or "\u0e00" <= character <= "\u0eff" or "\u1780" <= character <= "\u17ff"


def _after_sentence(text: str, at: int) -> bool:
    """After a full stop and the like, or at the end of a line."""
    before, after = text[max(0, at - 12) : at], text[at]
    if after == "\n" or _WIDE_SENTENCE_END.search(before):
        return True
    ended = after.isspace() and _SENTENCE_END.search(before)
    return bool(ended) and not _ABBREVIATION.search(before)


def _last_fitting(text: str, breaks: Sequence[int], fits: Callable[[str], bool]) -> int:
    """The last of the breaks at which a cut text fits; 0: at none. A longer text is taken to count more, so
    few are tried; what is found was tried itself."""

    def good(at: int) -> bool:
        short = _cut(text, at)
        return short is not None and fits(short)

    few = 1
    while few < len(breaks) and good(breaks[few - 1]):
        few *= 2
    tried = bisect_right(breaks[:few], False, key=lambda at: not good(at))
    for at in reversed(breaks[:tried]):
        if good(at):
            return at
    return 0


def _cut(text: str, at: int) -> str | None:
    """The text up to `at` and an ellipsis; None where nothing would be left before it."""
    kept = text[:at].rstrip(_DANGLING)
    if not kept:
        return None
    ends = {end for _, end in protected(kept[-300:])}
    apart = len(kept[-300:]) in ends or kept[-1] in ".!?…\"'”’»)]"
    return f"{kept} {ELLIPSIS}" if apart else f"{kept}{ELLIPSIS}"
