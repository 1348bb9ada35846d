from __future__ import annotations

import pytest

from schedulo.model import Account, Format, Platform
from schedulo.text_rules import TextRule, comment_rule, text_rule, too_long

ACCOUNTS = [Account(platform, "1", "ours") for platform in Platform]


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.platform)
@pytest.mark.parametrize("format_", Format)
def test_every_format_has_a_rule_or_carries_no_text(account: Account, format_: Format) -> None:
    bare = format_ is Format.STORY or (account.platform is Platform.TIKTOK and format_ is Format.DRAFT)
    assert (text_rule(account, format_) is None) is bare


def test_only_meta_has_a_first_comment_and_stories_have_none() -> None:
    commented = {account.platform for account in ACCOUNTS if comment_rule(account, Format.IMAGE)}
    assert commented == {Platform.INSTAGRAM, Platform.FACEBOOK}
    assert [comment_rule(account, Format.STORY) for account in ACCOUNTS] == [None] * len(ACCOUNTS)


@pytest.mark.parametrize(
    ("platform", "text", "units"),
    [
        (Platform.X, "漢👨\u200d👩\u200d👧 https://example.com/" + "x" * 99, 2 + 2 + 1 + 23),
        (Platform.INSTAGRAM, "漢👨\u200d👩\u200d👧", 1 + 8),
        (Platform.TIKTOK, "👋", 2),
        (Platform.FACEBOOK, "👋é", 3),
    ],
)
def test_each_platform_counts_in_its_own_way(platform: Platform, text: str, units: int) -> None:
    rule = text_rule(Account(platform, "1", "ours"), Format.VIDEO)
    assert rule is not None
    assert rule.count(text) == units


def test_what_is_too_long_is_told_with_its_length_and_by_how_much() -> None:
    rule = TextRule(1000, words="at most {most:,}")
    assert too_long("Text", "x" * 1000, rule) is None
    problem = too_long("Text", "x" * 2500, rule)
    assert problem is not None
    assert problem.sentence() == (
        "Text (2,500 characters): at most 1,000. Shorten it by 1,500, or tick 'May be shortened'."
    )
