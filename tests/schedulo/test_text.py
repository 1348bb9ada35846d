"""X's weighted length against the published samples and a second implementation; the plain counts."""

from __future__ import annotations

import unicodedata
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedulo import text as ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    twitter_text = pytest.importorskip("twitter_text")
    from twitter_text.regexp.emoji import emoji_dict

NEWER = {
    "bird on fire": "🐦\u200d🔥",
    "handshake in two skins": "🫱🏽\u200d🫲🏿",
    "heart on fire": "❤️\u200d🔥",
    "head shaking": "🙂\u200d↔️",
    "family of a child": "🧑\u200d🧒",
    "person walking right": "🚶🏽\u200d➡️",
    "ballet dancer": "🧑🏿\u200d🩰",
    "transgender flag": "🏳️\u200d⚧️",
    "head shaking vertically": "🙂\u200d↕️",
    "broken chain": "⛓️\u200d💥",
    "lime": "🍋\u200d🟩",
    "brown mushroom": "🍄\u200d🟫",
    "man running right": "🏃🏿\u200d♂️\u200d➡️",
    "person kneeling right": "🧎🏻\u200d♀️\u200d➡️",
    "two adults and two children": "🧑\u200d🧑\u200d🧒\u200d🧒",
    "flag of Sark": "🇨🇶",
    "face with bags under eyes": "🫩",
    "fingerprint": "🫆",
    "distorted face": "🫪",
    "hairy creature": "🫈",
    "wrestlers in two skins": "👩🏻\u200d🫯\u200d👨🏿",
    "thumb to the left in a skin": "🫹🏽",
}


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("Hello, world! 👋", 16),
        ("a.co", 23),
        ("see README.md", 4 + 23),
        ("https://example.com/" + "x" * 200, 23),
        ("日本語", 6),
        ("e\u0301", 1),
        ("👨‍👩‍👧‍👦", 2),
        ("🇩🇪", 2),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 2),
        ("1️⃣", 2),
        ("👍🏿", 2),
        ("http://a.co http://b.co", 47),
        ("me@a.co", 7),
        ("#a.co", 5),
        ("1.5 km, e.g. now", 16),
        ("a.co.", 24),
        ("中文a.co中文", 8 + 23),
        ("€—…", 5),
    ],
)
def test_a_published_sample_counts_as_published(text: str, weight: int) -> None:
    assert ours.x_weighted_length(text) == weight


PERSIAN = "http://example.\u067e\u0627\u06a9\u0633\u062a\u0627\u0646/"
KANA = "あいうえおかきくけこ"
LABEL_63, LABEL_64 = "a" * 63, "a" * 64
# The classes of case of twitter-text's conformance for configuration 3, each with texts of our own.
CONFORMANCE = {
    "a link with its protocol": [("Hi http://a.co", 26), ("HTTPS://WWW.EXAMPLE.COM/INDEX.HTML", 23)],
    "a link without": [("example.com", 23), ("foo.co.jp", 23), ("www.example.com/x?y=1&z=2#w", 23)],
    "a link at the end, and a space": [("x" * 265 + " http://a.co/b ", 265 + 1 + 23 + 1)],
    "ten links": [("https://www.example.com/aloha " * 10, 240)],
    "a short link of X": [("https://t.co/abcDEF123", 23), ("t.co/abc", 23)],
    "a name of other letters": [
        ("http://ドメイン.jp/x", 23),
        (PERSIAN, 23),
        ("http://例え.みんな", 23),
        ("例え.jp", 7),
    ],
    "a label that DNS cannot hold": [(f"{LABEL_64}.com", 68), (f"https://{LABEL_64}.com", 76)],
    "the longest label": [(f"{LABEL_63}.com", 23), (f"https://{LABEL_63}.com", 23)],
    "a label too long once it is encoded": [("http://" + KANA * 5 + "あいう" + ".com", 7 + 106 + 4)],
    "a label just short enough when it is": [("http://" + KANA * 5 + "あい" + ".com", 23)],
    "wide letters": [("故人西辞黄鹤楼", 14), ("あいう한국어", 12), ("the故人", 7), ("ﾊﾝｶｸ", 8)],
    "letters with marks": [
        ("A\u0301B", 2),
        ("\u00c1B", 2),
        ("A\u05e9\u05bc\u05c1", 4),
        ("a\u0301" * 280, 280),
    ],
    "punctuation and spaces of U+2000": [
        ("\u2000\u200a\u200b\u200c\u200d", 5),
        ("‐–—―‖‗‘’‚‛“”„‟", 14),
        ("′″‴‵‶‷", 6),
        ("†…‰", 6),
    ],
    "plain emoji": [("😷👾😡🔥💩", 10), ("H🐱☺", 5), ("😷" * 140, 280)],
    "emoji in a row, not joined": [("👨👩👧👦", 8), ("🙋🏽👨🎤", 6)],
    "emoji joined": [("👨\u200d👩\u200d👧\u200d👦" * 140, 280), ("🙋🏽👨\u200d🎤", 4)],
    "skins": [("💃🏾🧕🏾👍🏻", 6), ("🏻", 2)],
    "flags": [("🇺🇸🇩🇪", 4), ("🇺", 2), ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 2)],
    "keycaps": [("1⃣#️⃣*️⃣", 6)],
    "marks of direction": [
        ("\u2066\u202a" + PERSIAN + "\u202c\u2069", 23 + 8),
        ("ABC\u202aABC", 8),
        ("\u200e\u200f\u061c", 5),
        ("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", 18),
        ("\u202ahttp://a.co\u202c", 27),
        ("a.co\u200f", 25),
    ],
}


@pytest.mark.parametrize(
    ("text", "weight"),
    [case for cases in CONFORMANCE.values() for case in cases],
    ids=[f"{name} {number}" for name, cases in CONFORMANCE.items() for number in range(len(cases))],
)
def test_a_case_of_the_conformance_counts_as_in_both_other_places(text: str, weight: int) -> None:
    other = twitter_text.parse_tweet(text)
    assert (ours.x_weighted_length(text), ours.x_is_valid(text)) == (weight, weight <= 280)
    assert (other.weightedLength, other.valid) == (weight, weight <= 280)


def test_a_forbidden_character_counts_and_makes_the_text_invalid() -> None:
    text = "ABC\u202a\uffffABC\ufffe"
    assert (ours.x_weighted_length(text), ours.x_is_valid(text)) == (12, False)


@pytest.mark.parametrize("emoji", NEWER.values(), ids=NEWER)
def test_an_emoji_newer_than_the_other_implementation_counts_two(emoji: str) -> None:
    assert ours.x_weighted_length(emoji) == 2


@pytest.mark.parametrize("emoji", NEWER.values(), ids=NEWER)
def test_a_newer_emoji_is_not_counted_with_what_stands_around_it(emoji: str) -> None:
    assert ours.x_weighted_length(f"a{emoji}{emoji}\u200d😀 a.co") == 1 + 2 + 2 + 1 + 2 + 1 + 23


def test_half_an_emoji_is_counted_and_never_an_error() -> None:
    assert ours.x_weighted_length("a\ud83d") == 3
    assert ours.utf16_length("a\ud83d") == 2


def test_every_emoji_of_the_other_implementation_counts_two() -> None:
    assert [emoji for emoji in emoji_dict if ours.x_weighted_length(emoji) != 2] == []


def test_two_regional_letters_that_are_no_flag_count_singly() -> None:
    assert ours.x_weighted_length("🇦🇦") == 4


def test_the_copyright_sign_takes_the_higher_of_two_published_counts() -> None:
    assert ours.x_weighted_length("©") == 2


def test_a_link_whose_name_dns_cannot_hold_never_counts_less_than_its_text() -> None:
    text = "https://" + "a" * 64 + ".com/" + "b" * 100
    assert ours.x_weighted_length(text) == len(text)


PIECES = [
    *(
        "http://",
        "https://",
        "a.co",
        "t.co/",
        "example.com",
        "/path_(x)",
        "?q=1",
        "#tag",
        "@me",
        ":80",
        "com",
    ),
    *(".", "-", "_", "/", "©", "&", "(", ")", "[", "]", "$", "＠", "é", "Я", "漢", "日本語", "日本.jp", "рф"),
    *("co.jp", "münchen.de", "xn--p1ai", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.com", "foo.pdf", "README.md"),
]
MARKS = [" ", "\n", "\u200e", "\u200d", "\ufe0f", "\ufeff", "\u0301", "x" * 70, "https://t.co/" + "a" * 41]
FOUND_BY_SEARCH = [
    "[a.b.c.d.e.f.g.h.i.j.k.l.m.n.com-\U0001f5b2\ufe0fexample.com\u6f22\xe9README.md",
    "a.b.c.d.e.f.g.h.i.j.k.l.m.n.com\uff20comt.co/https://t.co/" + "a" * 41,
    ".a.b.c.d.e.f.g.h.i.j.k.l.m.n.coma.b.c.d.e.f.g.h.i.j.k.l.m.n.com\xa9a.b.c.d.e.f.g.h.i.j.k.l.m.n.com",
    "a.b.c.d.e.f.g.h.i.j.k.l.m.n.com\u0440\u0444\u067ea.b.c.d.e.f.g.h.i.j.k.l.m.n.coma.b.c.d.e.f.g.h.i.j.k.l.m.n.com"
    "\u307f\u3093\u306a/path_(x)",
    "]m\xfcnchen.de\U0001f469\U0001f3ff\u200d\U0001f9b1.\u067e\u0627\u06a9\u0633\u062a\u0627\u0646/\uf0e6?q=1",
    "co.jp\u65e5\u672c.jp/\u200d\uff20",
]


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        *(("co.jpıa", 25), ("ıhttp://a.co", 24), ("a.co/?q=ı", 24), ("x" * 40 + ".ıo", 43)),
        *(("?q=1co.jpıhello", 4 + 23 + 5), ("a.ſu", 4), ("ſ" * 40 + ".ıo", 43)),
    ],
)
def test_where_a_letter_may_pass_for_an_ascii_one_the_higher_count_is_taken(
    text: str, elsewhere: int
) -> None:
    """The other figures are those of twitter-text for JavaScript, version 3.1.0."""
    assert ours.x_weighted_length(text) >= max(elsewhere, twitter_text.parse_tweet(text).weightedLength)


@pytest.mark.parametrize("text", FOUND_BY_SEARCH, ids=ascii)
def test_a_text_that_once_counted_less_than_elsewhere_does_not_again(text: str) -> None:
    assert ours.x_weighted_length(text) >= twitter_text.parse_tweet(text).weightedLength


FRAGMENTS = st.one_of(
    st.sampled_from(sorted(emoji_dict)), st.sampled_from(PIECES + MARKS), st.text(max_size=6)
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(FRAGMENTS, max_size=14).map("".join))
def test_no_text_counts_less_than_the_other_implementation_says(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    newer = [m.group() for m in ours._EMOJI.finditer(normal) if m.group() not in emoji_dict]
    assume(not newer)
    assert ours.x_weighted_length(text) >= twitter_text.parse_tweet(text).weightedLength


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(FRAGMENTS, max_size=14).map("".join))
def test_what_we_call_valid_the_other_implementation_calls_valid(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    assume(all(m.group() in emoji_dict for m in ours._EMOJI.finditer(normal)))
    assert not ours.x_is_valid(text) or twitter_text.parse_tweet(text).valid


@pytest.mark.parametrize("bad", ["\ufffe", "\ufeff", "\uffff"])
def test_a_forbidden_character_makes_a_text_invalid(bad: str) -> None:
    assert not ours.x_is_valid(f"a{bad}b")


def test_the_last_allowed_character_is_the_280th() -> None:
    assert ours.x_is_valid("x" * 280)
    assert not ours.x_is_valid("x" * 281)


def test_an_empty_text_is_invalid() -> None:
    assert not ours.x_is_valid("")


def test_utf16_counts_an_emoji_as_its_surrogates() -> None:
    assert ours.utf16_length("a👋é") == 4


def test_hashtags_need_a_letter_and_a_free_start() -> None:
    assert ours.hashtags("#one a#two #3 #４ある #日本 &#38; #one #a_1!") == [
        "one",
        "４ある",
        "日本",
        "one",
        "a_1",
    ]


def test_mentions_skip_mail_addresses_and_the_full_stop_after_a_name() -> None:
    assert ours.mentions("@ann.lee. me@example.com (@bob) @@x /@y @c_d") == ["ann.lee", "bob", "c_d"]


def test_a_long_text_without_spaces_is_counted_in_a_moment() -> None:
    import time

    started = time.process_time()
    ours.x_weighted_length("漢" * 24_000 + ".com")
    ours.x_weighted_length("漢.字" * 8_000)
    ours.x_weighted_length("漢.字" * 8_000 + ".com")
    assert time.process_time() - started < 5
