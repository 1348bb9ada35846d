from __future__ import annotations

import pytest

from schedulo.planning.hashtags import joined, listed, missing, standing


@pytest.mark.parametrize(
    ("cell", "good", "bad"),
    [
        ("", [], []),
        ("#a b, c;d、e\n#f", ["a", "b", "c", "d", "e", "f"], []),
        ("#a#b＃c", ["a", "b", "c"], []),
        ("##a", ["a"], ["#"]),
        ("a-b # 2026 ok", ["ok"], ["a-b", "#", "2026"]),
        ("हिन्दी می‌خواهم", ["हिन्दी", "می‌خواهم"], []),
    ],
)
def test_a_cell_is_read_as_hashtags_and_what_is_none(cell: str, good: list[str], bad: list[str]) -> None:
    assert listed(cell) == (good, bad)


def test_hashtags_stand_in_a_text_but_not_in_its_links() -> None:
    text = "#a, C# https://x.test/y#z /#b &#38; हिन्दी #हिन्दी！＃コ"
    assert standing(text) == ["a", "हिन्दी", "コ"]


def test_each_is_missing_once_and_only_where_it_does_not_stand() -> None:
    assert missing(["A", "b", "a", "C"], ["see #B"]) == ["A", "C"]
    assert joined(["A", "C"]) == "#A #C"
