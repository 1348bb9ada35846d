"""The texts of a post on an account, from a row as Airtable gives it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import mention_row, post_row
from schedulo.model import Account, Format, Platform
from schedulo.planning.mentions import NOBODY, Mentions
from schedulo.planning.text import FittedText, fit_text
from schedulo.text_rules import text_rule

OURS = Mapping()
IG, TIKTOK, X, FB = Platform.INSTAGRAM, Platform.TIKTOK, Platform.X, Platform.FACEBOOK
LONG = " ".join(f"Sentence number {number} says a little more." for number in range(1, 30))


def people(**handles: dict[str, str]) -> Mentions:
    """The table Mentions: name -> platform's word -> cell."""
    rows = [{"fields": {"Name": name, **cells}} for name, cells in handles.items()]
    return Mentions.of(mention_row(row, OURS) for row in rows)


def fitted(
    platform: Platform = X,
    format_: Format = Format.TEXT,
    options: dict[str, Any] | None = None,
    mentions: Mentions = NOBODY,
    **cells: Any,
) -> FittedText:
    named = {name.replace("_", " "): value for name, value in cells.items()}
    row = post_row({"id": "recPOST0000000001", "fields": {"Title": "New roast", **named}}, OURS)
    assert row.problems == ()
    account = Account(platform, "1", "northlight", options=options or {})
    return fit_text(row, account, format_, mentions, text_rule(account, format_))


def wrong(found: FittedText) -> list[str]:
    return [problem.sentence() for problem in found.problems if not problem.warning]


def warned(found: FittedText) -> list[str]:
    return [problem.sentence() for problem in found.problems if problem.warning]


# --- which text, and where the link goes ---


@pytest.mark.parametrize("platform", Platform)
def test_a_text_alone_goes_out_as_it_is(platform: Platform) -> None:
    assert fitted(platform, Format.IMAGE, Text=" Hello \n") == FittedText(" Hello \n")


def test_a_text_for_one_platform_is_read_there_only() -> None:
    cells = {"Text": "for all", "TikTok_text": "for TikTok", "X_text": " "}
    texts = [fitted(platform, Format.VIDEO, **cells).text for platform in (IG, TIKTOK, X, FB)]
    assert texts == ["for all", "for TikTok", "for all", "for all"]


@pytest.mark.parametrize(
    ("platform", "format_", "text", "link"),
    [
        (X, Format.TEXT, "Hello\nhttps://a.test/x", None),
        (FB, Format.IMAGE, "Hello\nhttps://a.test/x", None),
        (FB, Format.LINK, "Hello", "https://a.test/x"),
        (IG, Format.IMAGE, "Hello", None),
        (TIKTOK, Format.VIDEO, "Hello", None),
    ],
)
def test_the_link_goes_where_the_platform_has_a_place_for_it(
    platform: Platform, format_: Format, text: str, link: str | None
) -> None:
    found = fitted(platform, format_, Text="Hello", Link="https://a.test/x")
    assert (found.text, found.link) == (text, link)


@pytest.mark.parametrize(
    ("text", "doubled"),
    [
        ("Read https://a.test/x.", False),
        ("Read https://a.test/x/y", True),
        ("Read https://a.test/x?y=1", True),
        ("(https://a.test/x)", False),
    ],
)
def test_a_link_that_stands_in_the_text_is_not_added_again(text: str, doubled: bool) -> None:
    found = fitted(Text=text, Link="https://a.test/x")
    assert found.text == (f"{text}\nhttps://a.test/x" if doubled else text)


def test_a_link_that_a_platform_has_no_place_for_is_told() -> None:
    assert warned(fitted(IG, Format.IMAGE, Text="Hello", Link="https://a.test/x")) == [
        "Link (https://a.test/x): Instagram has no place for a link, so it is left out. "
        "Put it into the text if people should read it there."
    ]


def test_a_link_that_cannot_be_clicked_is_told() -> None:
    found = fitted(TIKTOK, Format.VIDEO, Text="See https://a.test/x.")
    assert warned(found) == [
        "Text (https://a.test/x): a link in a text on TikTok cannot be clicked. "
        "Say where else it is found, as in 'link in bio'."
    ]


def test_what_x_charges_for_links_is_told_for_each_part_that_has_one() -> None:
    found = fitted(Text="See README.md", Thread="no link\n---\nhttps://a.co")
    assert warned(found) == [
        f"{field} ({link}): X charges $0.20 for a post with a link, instead of $0.015 (April 2026). "
        "Nothing has to be done."
        for field, link in (("Text", "README.md"), ("Thread, part 3", "https://a.co"))
    ]
    assert warned(fitted(FB, Format.TEXT, Text="See https://a.co")) == []


@pytest.mark.parametrize(
    ("platform", "format_"), [(IG, Format.STORY), (FB, Format.STORY), (TIKTOK, Format.DRAFT)]
)
def test_a_format_without_text_leaves_it_out_and_says_so(platform: Platform, format_: Format) -> None:
    found = fitted(platform, format_, Text="Hello", Link="https://a.test", Hashtags="a", First_comment="b")
    assert (found.text, found.first_comment, found.link) == ("", "", None)
    (told,) = warned(found)
    assert told.startswith("Text, Hashtags, Link")
    assert ("First comment" in told) is (platform is not TIKTOK)
    assert fitted(platform, format_) == FittedText()


# --- hashtags ---


def test_hashtags_of_post_and_account_follow_the_text_once_each_in_order() -> None:
    found = fitted(
        IG,
        Format.IMAGE,
        {"hashtags": "#coffee roastery"},
        Text="New #Roast",
        Hashtags="#roast, Berlin;Coffee\n#berlin #a#b",
    )
    assert found == FittedText("New #Roast\n\n#Berlin #Coffee #a #b #roastery")


def test_hashtags_come_before_the_link() -> None:
    found = fitted(Text="New", Hashtags="roast", Link="https://a.test")
    assert found.text == "New\n\n#roast\nhttps://a.test"


def test_hashtags_alone_make_a_text() -> None:
    assert fitted(IG, Format.IMAGE, Hashtags="roast").text == "#roast"


@pytest.mark.parametrize("tag", ["naïve", "コーヒー", "हिन्दी", "4ever", "a_b", "col·lecció"])
def test_a_hashtag_may_have_letters_of_any_script(tag: str) -> None:
    assert fitted(Text="x", Hashtags=tag) == FittedText(f"x\n\n#{tag}")


@pytest.mark.parametrize("tag", ["2026", "rock'n'roll", "a-b", "☕"])
def test_what_is_no_hashtag_is_a_problem_of_its_row(tag: str) -> None:
    assert wrong(fitted(Text="x", Hashtags=f"#good {tag}")) == [
        f"Hashtags ({tag}): is no hashtag: letters, digits and underscores, at least one letter. "
        "The author of the post corrects it."
    ]
    (told,) = wrong(fitted(Text="x", options={"hashtags": tag}))
    assert told.startswith(f"Hashtags of the account ({tag}): ")
    assert told.endswith("Who looks after the accounts corrects it.")


@pytest.mark.parametrize("platform", [IG, FB])
def test_hashtags_move_to_the_first_comment(platform: Platform) -> None:
    cells = {"Text": "New", "Hashtags": "roast berlin", "Hashtags_go_to": "First comment"}
    found = fitted(platform, Format.IMAGE, **cells)
    assert (found.text, found.first_comment, found.problems) == ("New", "#roast #berlin", ())
    found = fitted(platform, Format.IMAGE, **cells, First_comment="Which #Roast?")
    assert found.first_comment == "Which #Roast?\n\n#berlin"


@pytest.mark.parametrize("platform", [X, TIKTOK])
def test_hashtags_stay_in_the_text_where_there_is_no_first_comment(platform: Platform) -> None:
    found = fitted(
        platform,
        Format.VIDEO,
        Text="New",
        Hashtags="roast",
        Hashtags_go_to="First comment",
        First_comment="b",
    )
    assert (found.text, found.first_comment) == ("New\n\n#roast", "")
    (told,) = warned(found)
    assert "has no first comment here, so they stay in the text" in told


# --- templates ---

TEMPLATE = "{text}\n\nShop: {link}\n\n{hashtags}\n— Northlight"


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (
            {"Text": "Hi", "Link": "https://a.test", "Hashtags": "b"},
            "Hi\n\nShop: https://a.test\n\n#b\n— Northlight",
        ),
        ({"Text": "Hi", "Hashtags": "b"}, "Hi\n\n#b\n— Northlight"),
        ({"Text": "Hi", "Link": "https://a.test"}, "Hi\n\nShop: https://a.test\n\n— Northlight"),
        ({"Text": " Hi\n"}, "Hi\n\n— Northlight"),
        ({}, "— Northlight"),
    ],
)
def test_a_template_is_filled_and_loses_the_lines_that_have_nothing_to_say(
    cells: dict[str, str], text: str
) -> None:
    assert fitted(options={"template": TEMPLATE}, **cells).text == text


def test_a_template_may_show_the_link_where_the_platform_has_no_place_for_it() -> None:
    found = fitted(IG, Format.IMAGE, {"template": "{text} ({link})"}, Text="Hi", Link="https://a.test")
    assert found.text == "Hi (https://a.test)"
    assert len(warned(found)) == 1
    assert "cannot be clicked" in warned(found)[0]


def test_what_a_template_does_not_place_follows_it() -> None:
    found = fitted(options={"template": "NEWS {text}"}, Text="Hi", Link="https://a.test", Hashtags="b")
    assert found.text == "NEWS Hi\n\n#b\nhttps://a.test"


def test_braces_in_a_text_are_no_placeholders() -> None:
    assert fitted(options={"template": "{text} {hashtags}"}, Text="{link} {text} {x}", Hashtags="b").text == (
        "{link} {text} {x} #b"
    )


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("{text} {lnik}", "{lnik} is unknown; there are {text}, {link}, {hashtags}"),
        ("{link}", "it must have {text} once, or what people write would be lost or doubled"),
        ("{text}{text}", "it must have {text} once, or what people write would be lost or doubled"),
    ],
)
def test_a_template_that_cannot_be_filled_is_a_problem_of_the_account(template: str, rule: str) -> None:
    found = fitted(options={"template": template}, Text="Hi")
    assert wrong(found) == [f"Text template ({template}): {rule}. Who looks after the accounts corrects it."]


# --- people ---

PEOPLE = people(
    Ann={"Instagram": "@ann.lee", "X": "ann_lee"},
    **{"Ann Maria": {"X": "annmaria"}, "Bob": {"X": "bob 1"}},
)


@pytest.mark.parametrize(
    ("text", "on_x", "on_instagram"),
    [
        ("Hi @Ann!", "Hi @ann_lee!", "Hi @ann.lee!"),
        ("@ANN's and @ann.", "@ann_lee's and @ann_lee.", "@ann.lee's and @ann.lee."),
        ("@ann maria, @Ann M", "@annmaria, @ann_lee M", "ann maria, @ann.lee M"),
        ("@Bob", "Bob", "Bob"),
        ("@Anna @ann.b me@ann.de https://a.test/@ann @carl", None, None),
    ],
)
def test_people_are_named_by_their_handles(text: str, on_x: str | None, on_instagram: str | None) -> None:
    assert fitted(Text=text, mentions=PEOPLE).text == (text if on_x is None else on_x)
    found = fitted(IG, Format.IMAGE, Text=text, mentions=PEOPLE)
    assert found.text == (text if on_instagram is None else on_instagram)


def test_thread_and_first_comment_know_the_same_people() -> None:
    assert fitted(Text="a", Thread="@Ann", mentions=PEOPLE).thread == ("@ann_lee",)
    found = fitted(IG, Format.IMAGE, Text="a", First_comment="@Ann", mentions=PEOPLE)
    assert found.first_comment == "@ann.lee"


def test_a_known_name_without_handle_is_told() -> None:
    assert warned(fitted(FB, Format.TEXT, Text="Hi @Ann and @ann", mentions=PEOPLE)) == [
        "Text (@Ann): the table Mentions has no handle for Facebook, so the plain name goes out. "
        "Enter one there, or write the name without @."
    ]
    (told,) = warned(fitted(Text="@Bob", mentions=PEOPLE))
    assert "two handles or none that can be one" in told


# --- links with tags ---

UTM = {"utm": "utm_source={platform}&utm_medium=social&utm_campaign={title}"}
TAGGED = "utm_source=x&utm_medium=social&utm_campaign=New%20roast"


def test_links_get_the_tags_of_the_account_wherever_they_stand() -> None:
    found = fitted(
        options=UTM, Text="See https://a.test/x.", Thread="http://b.test", Link="https://c.test/#y"
    )
    assert found.text == f"See https://a.test/x?{TAGGED}.\nhttps://c.test/?{TAGGED}#y"
    assert found.thread == (f"http://b.test?{TAGGED}",)


def test_a_link_in_text_and_row_is_tagged_once() -> None:
    found = fitted(options=UTM, Text="See https://a.test/x.", Link="https://a.test/x")
    assert found.text == f"See https://a.test/x?{TAGGED}."


def test_a_link_with_a_place_of_its_own_is_tagged_there() -> None:
    found = fitted(FB, Format.LINK, {"utm": "utm_source={platform}"}, Text="Hi", Link="https://a.test")
    assert (found.text, found.link) == ("Hi", "https://a.test?utm_source=facebook")


def test_tags_that_mean_nothing_are_a_problem_of_the_account() -> None:
    found = fitted(options={"utm": "utm_campaign={titel}"}, Text="https://a.test")
    assert found.text == "https://a.test"
    assert wrong(found) == [
        "UTM tags (utm_campaign={titel}): {titel} is unknown; there are {platform}, {title}, {account}, "
        "{post}. Who looks after the accounts corrects it."
    ]


# --- shortening ---


def test_a_text_that_is_too_long_says_by_how_much_and_what_would_help() -> None:
    found = fitted(Text="x" * 300)
    assert found.text == "x" * 300
    assert wrong(found) == [
        "Text (300 characters as X counts): X takes 280 from this account; each link counts 23. "
        "Shorten it by 20, or tick 'May be shortened'."
    ]


def test_a_text_is_cut_only_where_its_author_allows_it_and_tells_so() -> None:
    found = fitted(Text=LONG, May_be_shortened=True)
    assert found.text == " ".join(LONG.split()[:49]) + " …"
    assert wrong(found) == []
    (told,) = warned(found)
    assert told.startswith("Text (1,121 characters as X counts): X takes 280 ")
    assert "so it goes out cut to" in told


def test_what_fits_is_not_touched_by_the_permission() -> None:
    assert fitted(Text="Hi  there ", May_be_shortened=True) == FittedText("Hi  there ")


def test_link_hashtags_and_template_survive_the_cut() -> None:
    found = fitted(
        options={"template": "NEWS: {text}\n— N."},
        Text=LONG + "\n\n#end https://b.test/y",
        Link="https://a.test/x",
        Hashtags="roast",
        May_be_shortened=True,
    )
    kept = "\n\n#end https://b.test/y\n— N.\n\n#roast\nhttps://a.test/x"
    assert found.text.startswith("NEWS: Sentence number 1 says a little more. Sentence")
    assert found.text.endswith(f" …{kept}")
    assert wrong(found) == []


def test_a_link_and_a_listed_hashtag_in_the_part_that_is_cut_move_to_its_end() -> None:
    text = f"{LONG} Read https://a.test/x about #Roast and #other things. {LONG}"
    found = fitted(Text=text, Hashtags="roast", Link="https://a.test/x", May_be_shortened=True)
    assert found.text.endswith(" …\nhttps://a.test/x #roast")
    assert "#other" not in found.text


def test_a_text_whose_links_and_hashtags_alone_are_too_long_stays_a_problem() -> None:
    tags = " ".join(f"tag{number:03}" for number in range(60))
    found = fitted(Text=LONG, Hashtags=tags, May_be_shortened=True)
    assert wrong(found) == [
        "Text (1,602 characters as X counts): X takes 280 from this account; each link counts 23, "
        "and cutting it does not help: its links and hashtags stay. Shorten it by 1,322."
    ]


def test_each_part_of_a_thread_is_cut_and_counted_alone() -> None:
    found = fitted(Text="Hi", Thread=f"short\n---\n{LONG}", May_be_shortened=True)
    assert found.thread[0] == "short"
    assert found.thread[1].endswith(" …")
    assert wrong(fitted(Text="Hi", Thread=f"short\n---\n{'x' * 281}")) == [
        "Thread, part 3 (281 characters as X counts): X takes 280 from this account; each link counts 23. "
        "Shorten it by 1, or tick 'May be shortened'."
    ]


def test_a_first_comment_is_cut_before_its_hashtags() -> None:
    cells = {"Text": "Hi", "First_comment": "word " * 500, "Hashtags": "a", "Hashtags_go_to": "First comment"}
    found = fitted(IG, Format.IMAGE, **cells, May_be_shortened=True)
    assert found.first_comment.endswith("word…\n\n#a")
    assert len(found.first_comment) <= 2196
    (told,) = wrong(fitted(IG, Format.IMAGE, **cells))
    assert told.startswith("First comment (")


@pytest.mark.parametrize(
    ("platform", "format_", "options", "most"),
    [
        (X, Format.TEXT, {}, 280),
        (X, Format.TEXT, {"premium": True}, 25_000),
        (IG, Format.REEL, {}, 2200),
        (TIKTOK, Format.VIDEO, {}, 2200),
        (TIKTOK, Format.IMAGES, {}, 4000),
        (FB, Format.TEXT, {}, 63_206),
    ],
)
def test_the_last_character_that_a_platform_takes_goes_out(
    platform: Platform, format_: Format, options: dict[str, Any], most: int
) -> None:
    assert wrong(fitted(platform, format_, options, Text="x" * most)) == []
    assert len(wrong(fitted(platform, format_, options, Text="x" * (most + 1)))) == 1


WORDS = st.sampled_from(
    [
        "a",
        "roast",
        "#roast",
        "@Ann",
        "https://a.test/x",
        "👨‍👩‍👧‍👦",
        "コーヒーの",
        "e\u0301t\u0301",
        "now.",
        "\n",
        "🇩🇪🇫🇷",
    ]
)
TEXTS = st.lists(WORDS, max_size=120).map(" ".join)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    text=TEXTS,
    tags=st.sampled_from(["", "roast", "roast berlin ☕"]),
    link=st.sampled_from(["", "https://a.test/x", "https://b.test"]),
    where=st.sampled_from([(X, Format.TEXT), (FB, Format.LINK), (IG, Format.IMAGE)]),
)
def test_a_text_made_of_what_was_fitted_is_fitted_already(
    text: str, tags: str, link: str, where: tuple[Platform, Format]
) -> None:
    cells = {"Hashtags": tags, "Link": link, "May_be_shortened": True}
    once = fitted(*where, UTM, Text=text, **cells)
    again = fitted(*where, UTM, Text=once.text, **cells)
    assert again.text.strip() == once.text.strip()
    if not wrong(once):
        limit = text_rule(Account(where[0], "1", "n"), where[1])
        assert limit is not None
        assert not limit.over(once.text)
