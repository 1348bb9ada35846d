from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedulo.planning.links import TagsError, all_tagged, holds, link_tags, links, tagged, untagged

TAGS = [("utm_source", "x"), ("utm_campaign", "a%20b")]
BOTH = "utm_source=x&utm_campaign=a%20b"
VALUES = {"platform": "x", "title": "Crème & Co. #1", "account": "north/light", "post": ""}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.test/x.", ["https://a.test/x"]),
        ("(https://a.test/x_(y)) HTTP://B.test?q=1!", ["https://a.test/x_(y)", "HTTP://B.test?q=1"]),
        ("https://münchen.test/straße, ok", ["https://münchen.test/straße"]),
        ("「https://a.test」“https://b.test/”…", ["https://a.test", "https://b.test/"]),
        ("https:// ftp://a.test a.test javascript:x", []),
    ],
)
def test_links_are_found_without_what_ends_the_sentence(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in links(text)] == found


def test_a_link_that_ends_in_brackets_without_end_costs_one_walk() -> None:
    assert links("https://a.test/x" + ")" * 400_000) == [(0, len("https://a.test/x"))]


@pytest.mark.parametrize(
    ("link", "with_tags"),
    [
        ("https://a.test", f"https://a.test?{BOTH}"),
        ("https://a.test/?", f"https://a.test/?{BOTH}"),
        ("https://a.test/x?y=1", f"https://a.test/x?y=1&{BOTH}"),
        ("https://a.test/x?y=1&", f"https://a.test/x?y=1&{BOTH}"),
        ("https://a.test/x#part?z", f"https://a.test/x?{BOTH}#part?z"),
        ("https://a.test/?UTM_Source=mail", "https://a.test/?UTM_Source=mail&utm_campaign=a%20b"),
        ("https://a.test/?utm_campaign=&utm_source=q", "https://a.test/?utm_campaign=&utm_source=q"),
        ("https://a.test/?utm%5Fsource=q", "https://a.test/?utm%5Fsource=q&utm_campaign=a%20b"),
        ("https://bücher.test/%C3%A4/ä?q=%2B+", f"https://bücher.test/%C3%A4/ä?q=%2B+&{BOTH}"),
        ("mailto:a@b.test", "mailto:a@b.test"),
        ("a.test/x", "a.test/x"),
        ("https://", "https://"),
    ],
)
def test_tags_are_added_and_nothing_else_is_changed(link: str, with_tags: str) -> None:
    assert tagged(link, TAGS) == with_tags
    assert tagged(with_tags, TAGS) == with_tags


@pytest.mark.parametrize(
    ("text", "with_tags"),
    [
        ("https://a.co/x, and https://b.co.", f"https://a.co/x?{BOTH}, and https://b.co?{BOTH}."),
        ("詳細はhttps://a.co/xをご覧", "詳細はhttps://a.co/xをご覧"),
        ("https://a.co/straße now", f"https://a.co/straße?{BOTH} now"),
        ("https://日本語.jp/x now", f"https://日本語.jp/x?{BOTH} now"),
        ("a.co me@b.co", "a.co me@b.co"),
    ],
)
def test_a_link_in_a_text_is_tagged_where_its_end_is_certain(text: str, with_tags: str) -> None:
    assert all_tagged(text, TAGS) == with_tags


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from([*"ab .,()?#&=%/é漢", "https://", "a.co", "utm_source="]), max_size=25).map(
        "".join
    )
)
def test_tagging_a_text_twice_changes_it_once(text: str) -> None:
    once = all_tagged(text, TAGS)
    assert all_tagged(once, TAGS) == once
    letters = iter(once)
    assert all(letter in letters for letter in text), "something of the text was lost"


def test_tags_that_only_say_where_a_link_was_posted_can_be_taken_out_again() -> None:
    text = "see https://a.co/x?y=1#z, and https://b.co."
    assert untagged(all_tagged(text, TAGS)) == untagged(text) == text
    assert untagged("https://a.co/?utm_id=1&y=2&UTM_Term=3") == "https://a.co/?y=2"


def test_values_of_tags_are_encoded_and_empty_ones_left_out() -> None:
    template = "?utm_source={platform}&utm_campaign=spring {title}&ref={account}&id={post}&done=%20yes"
    assert link_tags(template, VALUES) == [
        ("utm_source", "x"),
        ("utm_campaign", "spring%20Cr%C3%A8me%20%26%20Co.%20%231"),
        ("ref", "north%2Flight"),
        ("done", "%20yes"),
    ]
    assert link_tags("", VALUES) == []


@pytest.mark.parametrize("template", ["utm_source", "a b=1", "=x", "utm_source={who}", "x={}"])
def test_a_template_of_tags_that_means_nothing_is_refused(template: str) -> None:
    with pytest.raises(TagsError):
        link_tags(template, VALUES)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a.test/x", True),
        ("(a.test/x)", True),
        ("a.test/x.", True),
        ("a.test/xy", False),
        ("b.a.test/x", False),
    ],
)
def test_a_link_stands_in_a_text_only_as_a_whole(text: str, whole: bool) -> None:
    assert holds(text, "a.test/x") is whole
