from __future__ import annotations

from typing import Any

import pytest

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import mention_row
from schedulo.model import Platform
from schedulo.planning.mentions import Mentions


def table(*rows: dict[str, Any]) -> Mentions:
    return Mentions.of(mention_row({"fields": row}, Mapping()) for row in rows)


def test_rows_of_one_name_are_read_together() -> None:
    found = table({"Name": "@Ann", "X": "@ann_x"}, {"Name": "ann", "X": "Ann_X", "Instagram": "ann.ig"})
    assert found.mapped("@ANN", Platform.INSTAGRAM, "Text") == ("@ann.ig", [])
    assert found.mapped("@ANN", Platform.X, "Text")[0].casefold() == "@ann_x"


def test_two_handles_for_one_name_name_nobody() -> None:
    text, told = table({"Name": "Ann", "X": "one"}, {"Name": "Ann", "X": "two"}).mapped(
        "@Ann", Platform.X, "Text"
    )
    assert text == "Ann"
    assert [problem.warning for problem in told] == [True]


@pytest.mark.parametrize("cell", ["two words", "a-b", "https://x.com/ann", ".", "ä"])
def test_what_is_no_handle_is_never_written(cell: str) -> None:
    assert table({"Name": "Ann", "X": cell}).mapped("@Ann", Platform.X, "Text")[0] == "Ann"


def test_a_row_that_says_nothing_changes_nothing() -> None:
    found = table({}, {"Name": " @ "}, {"Name": ["no text"], "X": "x"})
    assert found.mapped("@ @Ann", Platform.X, "Text") == ("@ @Ann", [])


def test_what_is_kept_reads_back_the_same() -> None:
    found = table({"Name": "Ünal Co", "X": "unal"}, {"Name": "B", "TikTok": "no one"})
    again = Mentions.load(found.dump())
    for platform in Platform:
        assert again.mapped("@ünal  co @b", platform, "T") == found.mapped("@ünal  co @b", platform, "T")
    assert Mentions.load(None).mapped("@b", Platform.X, "T") == ("@b", [])
