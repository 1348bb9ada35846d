from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from schedulo.planning.shorten import protected, shorten
from schedulo.text import utf16_length, x_weighted_length

TEXT = (
    "We have opened a second shop. Come and see us on Saturday, there will be cake! "
    "https://example.com/a/very/long/link #coffee by @northlight and much more"
)


def cut(text: str, most: int) -> str | None:
    return shorten(text, lambda short: x_weighted_length(short) <= most)


@pytest.mark.parametrize(
    ("most", "short"),
    [
        (len("We have…"), "We…"),  # an ellipsis counts 2
        (len("We have…") + 1, "We have…"),
        (28, "We have opened a second…"),
        (31, "We have opened a second…"),
        (32, "We have opened a second shop. …"),
        (50, "We have opened a second shop. …"),
        (62, "We have opened a second shop. Come and see us on Saturday…"),
        (101, "We have opened a second shop. Come and see us on Saturday, there will be cake! …"),
        (125, "We have opened a second shop. Come and see us on Saturday, there will be cake! …"),
        (x_weighted_length(TEXT[:-14]) + 3, TEXT[:-14] + " …"),
        (1, None),
    ],
)
def test_a_cut_falls_after_a_sentence_or_a_word(most: int, short: str | None) -> None:
    assert cut(TEXT, most) == short


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("one two three", 13, "one two three"),
        ("one\ntwo three four five six seven", 22, "one\ntwo three four…"),
        ("first line here\nsecond one", 24, "first line here…"),
        ("we met Dr. Who in the park", 14, "we met Dr. …"),
        ("今日は豆が入荷しました。ぜひお店に来てください。", 32, "今日は豆が入荷しました。…"),
        ("おいしいコーヒーを淹れて", 13, "おいしいコ…"),
        ("x" * 50, 12, "x" * 10 + "…"),
        ("see #coffee there", 14, "see #coffee …"),
        ("word https://a.co/x more", 29, "word…"),
        ("word https://a.co/x more", 31, "word https://a.co/x …"),
    ],
)
def test_what_a_reader_would_call_a_sensible_end(text: str, most: int, short: str) -> None:
    assert cut(text, most) == short


@pytest.mark.parametrize(
    "whole",
    [
        "https://example.com/path",
        "#coffeeberlin",
        "@north.light",
        "example.com/a",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "e\u0301\u0302",
        "क्षि",
    ],
)
def test_what_belongs_together_is_never_cut(whole: str) -> None:
    text = f"a{whole}b" if whole[0] in "👩🇩eक" else f"a {whole} b"
    for most in range(1, utf16_length(text)):
        short = shorten(text, lambda tried, most=most: utf16_length(tried) <= most)
        kept = (short or "").removesuffix("…").rstrip()
        start = text.index(whole)
        assert not start < len(kept) < start + len(whole)


PIECES = st.sampled_from(
    [
        *(
            "word",
            "a",
            "Sentence.",
            "end!",
            " ",
            "  ",
            "\n",
            ", ",
            "#tag",
            "@who",
            "$X",
            "https://a.co/x?y=1",
            "b.com",
        ),
        *(
            "👩‍👩‍👧‍👦",
            "👍🏽",
            "🇩🇪",
            "1️⃣",
            "e\u0301",
            "コーヒー",
            "。",
            "」",
            "ภาษาไทย",
            "한국어",
            "क्षि",
            "…",
            "(",
            ")",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
    ]
)
ANY_TEXT = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map("".join)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=ANY_TEXT, most=st.integers(1, 150), weighted=st.booleans())
def test_a_cut_text_fits_and_is_a_beginning_of_whole_characters(text: str, most: int, weighted: bool) -> None:
    count = x_weighted_length if weighted else utf16_length
    short = shorten(text, lambda tried: count(tried) <= most)
    if count(text) <= most:
        assert short == text
        return
    if short is None:
        return
    assert count(short) <= most
    assert short.endswith("…")
    kept = short[:-1].removesuffix(" ")
    assert text.startswith(kept)
    ends, at = set(), 0
    for character in iter_graphemes(text):
        at += len(character)
        ends.add(at)
    assert len(kept) in ends or text[len(kept)].isspace()
    assert not any(start < len(kept) < end for start, end in protected(text))
    assert shorten(short, lambda tried: count(tried) <= most) == short


@pytest.mark.parametrize(
    "text",
    [
        "漢" * 24_000,
        "漢.字" * 8_000 + ".com",
        "word " * 13_000,
        "#" * 20_000,
        "@a." * 10_000,
        "e\u0301" * 20_000,
    ],
)
def test_a_very_long_text_is_cut_in_a_moment(text: str) -> None:
    started = time.process_time()
    assert cut(text, 280) is not None
    assert time.process_time() - started < 20  # minutes, if it took quadratic time
