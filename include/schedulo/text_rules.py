"""How much text a platform takes, as data: how it counts, the most, and how many hashtags and mentions.

Checks and fitting work from these rules; `text` does the counting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from schedulo.model import Account, Format, Platform, Problem
from schedulo.text import X_MAX_WEIGHTED_LENGTH, utf16_length, x_weighted_length


@dataclass(frozen=True, slots=True)
class TextRule:
    """What one text of a post may be."""

    most: int
    count: Callable[[str], int] = utf16_length
    unit: str = "characters"
    words: str = "at most {most:,}"
    """The rule for its author; `{most}` is filled in."""
    hashtags: int | None = None
    """The most of them; None: no rule."""
    mentions: int | None = None

    def over(self, text: str) -> int:
        """By how much `text` is too long; 0 where it fits."""
        return max(0, self.count(text) - self.most)

    def measured(self, text: str) -> str:
        """The length of `text`, in words."""
        return f"{self.count(text):,} {self.unit}"

    def rule(self) -> str:
        return self.words.format(most=self.most)


# X: "Counting characters"; twitter-text, config/v3.json
X = TextRule(
    X_MAX_WEIGHTED_LENGTH,
    x_weighted_length,
    "characters as X counts",
    "X takes {most:,} from this account; each link counts 23",
)
# X: long posts from Premium accounts, changelog of 2024-08-20
X_PREMIUM = replace(X, most=25_000, words=X.words.replace("this account", "a Premium account"))
# TikTok: Content Posting API, "Direct Post", post_info.title; photos: post_info.description
TIKTOK_VIDEO = TextRule(2200, unit="characters as TikTok counts", words="TikTok takes {most:,}")
TIKTOK_PICTURES = replace(TIKTOK_VIDEO, most=4000)
# Meta: IG User media, caption. What a character is it does not say; UTF-16 units are the most it can be.
INSTAGRAM = TextRule(2200, words="Instagram takes {most:,}", hashtags=30, mentions=20)
# On no page of Meta's: what other publishers observe.
FACEBOOK = TextRule(63_206, words="Facebook takes {most:,}")
# Meta names no limit; what other publishers found for Instagram. Facebook takes more.
COMMENT = TextRule(2196)

_RULES: Mapping[Platform, TextRule] = {
    Platform.X: X,
    Platform.TIKTOK: TIKTOK_VIDEO,
    Platform.INSTAGRAM: INSTAGRAM,
    Platform.FACEBOOK: FACEBOOK,
}
_COMMENTED = (Platform.INSTAGRAM, Platform.FACEBOOK)


def text_rule(account: Account, format_: Format) -> TextRule | None:
    """The rule for the text of a post, and for each part of a thread; None: the format carries no text."""
    match account.platform, format_:
        case _, Format.STORY:
            return None  # Meta: Page stories take no message; stories on Instagram show no caption
        case Platform.TIKTOK, Format.DRAFT:
            return None  # TikTok: "Upload Content", videos: source_info only
        case Platform.TIKTOK, (Format.IMAGES | Format.IMAGES_DRAFT):
            return TIKTOK_PICTURES
        case Platform.X, _ if account.options.get("premium"):
            return X_PREMIUM
    return _RULES[account.platform]


def comment_rule(account: Account, format_: Format) -> TextRule | None:
    """The rule for a first comment; None: there is none."""
    return COMMENT if account.platform in _COMMENTED and format_ is not Format.STORY else None


def too_long(field: str, text: str, rule: TextRule) -> Problem | None:
    """What is wrong with the length of `text`, or None."""
    if not (over := rule.over(text)):
        return None
    remedy = f"Shorten it by {over:,}, or tick 'May be shortened'."
    return Problem(field, rule.measured(text), rule.rule(), remedy)
