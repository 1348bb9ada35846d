"""Fitted texts and the platforms' own checks together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schedulo.model import Account, Media, MediaKind, Platform
from schedulo.planning.content import Fitted, content_hash, fit
from schedulo.planning.mentions import NOBODY, Mentions
from schedulo.platforms import CONVERSATIONS
from tests.schedulo.planning.attached import attached

FILM = Media("b" * 64, MediaKind.VIDEO, "video/mp4", 1000, 540, 960, 10_000)


def fitted(platform: Platform, *media: Media, mentions: Mentions = NOBODY, **cells: Any) -> Fitted:
    """What a row with these cells and files is on an account of the platform."""
    fields = {"TikTok privacy": "Everyone", **{name.replace("_", " "): cells[name] for name in cells}}
    row, files = attached(media, **fields)
    account = Account(platform, "1", "ours", options={"login": "instagram_login"})
    return fit(row, files, account, CONVERSATIONS[platform], mentions, public_media=True)


@pytest.mark.parametrize("platform", Platform)
def test_a_text_that_is_too_long_is_told_once(platform: Platform) -> None:
    found = fitted(platform, FILM, Text="x" * 63_300)
    (told,) = [problem for problem in found.problems if problem.field.casefold() == "text"]
    assert "tick 'May be shortened'" in told.remedy


@pytest.mark.parametrize("platform", Platform)
def test_a_text_that_was_cut_passes_the_platforms_own_check(platform: Platform) -> None:
    found = fitted(platform, FILM, Text="word " * 12_800, Hashtags="#roast", May_be_shortened=True)
    assert found.content is not None
    assert found.content.text.endswith("word…\n\n#roast")
    assert [problem for problem in found.problems if not problem.warning] == []


def test_a_copied_row_is_the_same_post_whatever_its_links_are_tagged_with() -> None:
    hashes = set()
    for record_id in ("rec1", "rec2"):
        row, files = attached((), Text="See https://a.co", Link="https://b.co")
        account = Account(Platform.X, "1", "ours", options={"utm": "utm_source=x&utm_content={post}"})
        found = fit(
            replace(row, record_id=record_id), files, account, CONVERSATIONS[Platform.X], public_media=True
        )
        assert found.content is not None
        assert record_id in found.content.text
        hashes.add(content_hash(found.content))
    assert len(hashes) == 1


def test_names_are_those_of_the_table_of_mentions() -> None:
    found = fitted(Platform.X, mentions=Mentions({"ann": {"x": "ann_lee"}}), Text="Hi @Ann")
    assert found.content is not None
    assert found.content.text == "Hi @ann_lee"
