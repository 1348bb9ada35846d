from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import PostRow, Report, account_row, commands, post_row
from schedulo.airtable.schema import (
    BY_NAME,
    COMMANDS,
    NOT_PLANNED,
    NUMBERS_AT,
    POST_NUMBERS,
    PREPARED,
    RESOLUTIONS,
    STATE_WORDS,
    UNAPPROVED,
)
from schedulo.clock import iso
from schedulo.model import Platform, Problem, State

OURS = Mapping()


def row(mapping: Mapping = OURS, **cells: Any) -> PostRow:
    named = {name.replace("_", " "): value for name, value in cells.items()}
    fields = {"Status": "Ready", "Accounts": ["rec00000000000001"], **named}
    return post_row(
        {"id": "recPOST0000000001", "createdTime": "2026-11-01T00:00:00.000Z", "fields": fields}, mapping
    )


def problems(found: PostRow) -> dict[str, Problem]:
    return {problem.field: problem for problem in found.problems}


def test_a_full_row_has_no_problems_and_says_everything() -> None:
    found = row(
        Title=" Launch ",
        Text="Hello #world\n",
        Media=[
            {
                "id": "att1",
                "url": "https://dl/1",
                "filename": "a.jpg",
                "size": 5,
                "type": "image/jpeg",
                "width": 2,
            }
        ],
        Alt_text="A cat",
        Link="https://acme.test",
        Publish_at="2026-12-24T17:00:00.000Z",
        Not_after="2026-12-24T18:00:00.000Z",
        Format="Reel",
    )
    assert found.problems == ()
    assert (found.title, found.text, found.alt_texts) == ("Launch", "Hello #world\n", ("A cat",))
    assert (found.attachments[0].filename, found.attachments[0].size_bytes) == ("a.jpg", 5)
    assert iso(found.due_ms or 0) == "2026-12-24T17:00:00.000Z"
    assert iso(found.not_after_ms or 0) == "2026-12-24T18:00:00.000Z"
    assert (found.format, found.link, found.status_ready) == ("reel", "https://acme.test", True)


def test_the_posts_own_zone_counts_before_that_of_the_account() -> None:
    given_zone = row(**{"Publish_at_(local)": "2026-12-24 18:00", "Time_zone": "America/New_York"})
    without = row(**{"Publish_at_(local)": "2026-12-24 18:00"})
    due, other = given_zone.due("Europe/Berlin"), without.due("Europe/Berlin")
    assert due is not None
    assert other is not None
    assert iso(due.ms) == "2026-12-24T23:00:00.000Z"
    assert iso(other.ms) == "2026-12-24T17:00:00.000Z"


def test_an_instant_needs_no_zone() -> None:
    due = row(Publish_at="2026-12-24T17:00:00.000Z").due("nonsense")
    assert due is not None
    assert iso(due.ms) == "2026-12-24T17:00:00.000Z"


@pytest.mark.parametrize(
    ("cells", "field", "rule"),
    [
        ({}, "Publish at", "nobody knows when"),
        ({"Publish_at": "2026-12-24T17:00:00.000Z", "Accounts": []}, "Accounts", "nobody knows where"),
        ({"Publish_at": "2026-12-24"}, "Publish at", "Include time"),
        ({"Publish_at": 5}, "Publish at", "Include time"),
        ({"Publish_at_(local)": "Christmas"}, "Publish at (local)", "2026-12-24 18:00"),
        (
            {"Publish_at": "2026-12-24T17:00:00.000Z", "Publish_at_(local)": "2026-12-24 18:00"},
            "Publish at (local)",
            "both filled",
        ),
        ({"Time_zone": "Berlin"}, "Time zone", "IANA"),
        ({"Format": "Banner"}, "Format", "Post, Reel, Story, Draft to inbox"),
        ({"TikTok_privacy": "all"}, "TikTok privacy", "Everyone, Friends"),
        ({"TikTok_discloses": ["Nothing"]}, "TikTok discloses", "Your brand"),
        ({"Text": {"state": "error"}}, "Text", "must be text"),
        ({"Accounts": "Acme"}, "Accounts", "links to rows"),
        ({"AI_generated": "maybe"}, "AI generated", "checkbox"),
        ({"Cover_at_(s)": -1}, "Cover at (s)", "seconds"),
        ({"Cover_at_(s)": {"specialValue": "NaN"}}, "Cover at (s)", "seconds"),
        ({"Cover_picture": 0}, "Cover picture", "whole number from 1 to 100"),
        ({"Cover_picture": 1.5}, "Cover picture", "whole number"),
        ({"Cover_picture": 101}, "Cover picture", "whole number"),
        ({"Cover_picture": True}, "Cover picture", "whole number"),
        ({"Cover_picture": {"specialValue": "NaN"}}, "Cover picture", "whole number"),
        ({"Media": [{"filename": "x"}]}, "Media", "finished upload"),
        ({"Alt_text": "one\ntwo"}, "Alt text", "one line for each"),
    ],
)
def test_a_cell_that_means_nothing_is_a_problem_in_words(
    cells: dict[str, Any], field: str, rule: str
) -> None:
    problem = problems(row(**cells))[field]
    assert rule in problem.rule
    assert problem.remedy


def test_a_draft_without_a_time_is_no_problem() -> None:
    found = row(Status="Draft", Accounts=[])
    assert (found.status_ready, found.problems) == (False, ())


def test_a_problem_bears_the_bases_own_field_name() -> None:
    mapping = Mapping(fields={"Posts": {"Time zone": "Zeitzone"}})
    assert "Zeitzone" in problems(row(mapping, Zeitzone="Berlin"))


def test_tiktok_is_told_every_permission_and_nothing_is_allowed_by_default() -> None:
    options = row().options[Platform.TIKTOK]
    assert options == {
        "disable_comment": True,
        "disable_duet": True,
        "disable_stitch": True,
        "is_aigc": False,
        "brand_organic_toggle": False,
        "brand_content_toggle": False,
    }


def test_tiktok_counts_the_pictures_from_nought_and_people_from_one() -> None:
    options = row(Cover_picture=2.0, TikTok_title=" Three cups ", TikTok_music=True).options[Platform.TIKTOK]
    chosen = (options["photo_cover_index"], options["title"], options["auto_add_music"])
    assert chosen == (1, "Three cups", True)


def test_the_platforms_choices_come_under_the_platforms_own_names() -> None:
    options = row(
        **{
            "TikTok_privacy": "Only me",
            "TikTok_comments": True,
            "TikTok_discloses": ["Branded content"],
            "AI_generated": True,
            "Reels_tab_only": True,
            "Cover_at_(s)": 1.5,
            "X_replies": "People you mention",
            "Facebook_title": "Launch",
        }
    ).options
    assert options[Platform.TIKTOK]["privacy_level"] == "SELF_ONLY"
    assert options[Platform.TIKTOK]["disable_comment"] is False
    assert options[Platform.TIKTOK]["brand_content_toggle"] is True
    assert options[Platform.TIKTOK]["video_cover_timestamp_ms"] == 1500
    assert options[Platform.INSTAGRAM] == {
        "thumb_offset": 1500,
        "share_to_feed": False,
        "is_ai_generated": True,
    }
    assert options[Platform.X] == {"reply_settings": "mentionedUsers", "made_with_ai": True}
    assert options[Platform.FACEBOOK] == {"title": "Launch"}


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        ("@ann 0.5 .75", (0, "ann", 0.5, 0.75)),
        ("2: @ann.b_c 0 1", (1, "ann.b_c", 0.0, 1.0)),
        ("3:@ann", (2, "ann", None, None)),
        ("  @ann  1.0  0.0  ", (0, "ann", 1.0, 0.0)),
        ("@ann 0.5", None),
        ("@ann 0.5 .", None),
        ("@ann 50 50", None),
        ("ann 0.5 0.5", None),
        ("@ann 0.5 0.5 0.5", None),
    ],
)
def test_a_tagged_person_is_a_name_with_a_place(line: str, tag: tuple[Any, ...] | None) -> None:
    found = row(Tagged_people=line)
    tags = found.options[Platform.INSTAGRAM].get("user_tags", [])
    expected = [dict(zip(("index", "username", "x", "y"), tag, strict=True))] if tag else []
    assert tags == expected
    assert ("Tagged people" in problems(found)) is (tag is None)


def test_what_a_duplicated_row_says_about_deliveries_is_ignored() -> None:
    copied = {"State": "Published", "Permalink": "https://x.com/1", "Deliveries": ["rec1"], "Post ID": "1"}
    assert row(**copied) == row()


def test_an_attachments_address_is_not_shown() -> None:
    found = row(
        Media=[{"id": "att1", "url": "https://dl.test/signed"}],
        Publish_at=[{"url": "https://dl.test/signed"}],
    )
    assert "signed" not in repr(found)


cells = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([field.name for field in BY_NAME["Posts"].fields]), cells))
def test_no_cell_of_a_post_can_do_harm(fields: dict[str, Any]) -> None:
    found = post_row({"id": "rec1", "fields": fields}, OURS)
    assert found.record_id == "rec1"
    repr(found).encode()  # every database takes what is kept
    for problem in found.problems:
        sentence = problem.sentence()
        assert sentence.startswith(problem.field)
        assert problem.rule
        assert problem.remedy
        assert f"{problem.rule}. {problem.remedy}" in sentence
        assert len(sentence) < 400
        assert sentence.isprintable() or "\u200d" in sentence
        assert "\x00" not in found.text + found.title + found.timezone


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([field.name for field in BY_NAME["Accounts"].fields]), cells))
def test_no_cell_of_an_account_can_do_harm(fields: dict[str, Any]) -> None:
    found = account_row({"id": "rec1", "fields": fields}, OURS)
    assert (found.account() is None) == (found.platform is None or not found.account_id)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([field.name for field in BY_NAME["Deliveries"].fields]), cells))
def test_no_cell_of_a_delivery_can_do_harm(fields: dict[str, Any]) -> None:
    for command in commands({"id": "rec1", "fields": fields}, OURS):
        assert command.verb in COMMANDS
        assert command.resolution in ("", *RESOLUTIONS.values())


def test_a_resolution_is_read_with_its_link_and_counts_when_it_was_requested() -> None:
    fields = {
        "Key": "d1",
        "Resolve as": "It is out",
        "Resolve link": " https://x.com/acme/status/17 ",
        "Resolve requested at": "2026-11-22T10:00:00.000Z",
        "Retry requested at": "2026-11-22T09:00:00.000Z",
    }
    retry, resolve = commands({"id": "rec1", "fields": fields}, OURS)
    assert (retry.verb, retry.resolution, retry.link) == ("retry", "", "")
    assert (resolve.verb, resolve.resolution) == ("resolve", "out")
    assert resolve.link == "https://x.com/acme/status/17"
    del fields["Resolve requested at"]
    assert [command.verb for command in commands({"id": "rec1", "fields": fields}, OURS)] == ["retry"]


@pytest.mark.parametrize(
    "record", [{}, {"id": 5, "fields": None}, {"id": "rec1", "fields": [], "createdTime": 7}]
)
def test_a_record_that_is_none_does_no_harm(record: dict[str, Any]) -> None:
    assert post_row(record, OURS).title == ""


def test_an_account_without_its_id_says_what_is_missing() -> None:
    found = account_row({"id": "rec1", "fields": {"Name": "Acme", "Platform": "X"}}, OURS)
    assert found.account() is None
    assert [problem.field for problem in found.problems] == ["Account ID"]


def test_an_instagram_account_says_which_login_it_has() -> None:
    fields = {"Name": "Acme", "Platform": "Instagram", "Account ID": "178"}
    without = account_row({"id": "rec1", "fields": fields}, OURS)
    assert [problem.field for problem in without.problems] == ["Login"]
    found = account_row({"id": "rec1", "fields": {**fields, "Login": "Instagram Login"}}, OURS)
    assert (found.options, found.problems) == ({"login": "instagram_login"}, ())


def test_every_state_has_a_word_of_its_own_that_the_base_offers() -> None:
    assert set(STATE_WORDS) == set(State)
    words = {*STATE_WORDS.values(), PREPARED, NOT_PLANNED, UNAPPROVED}
    assert len(words) == len(State) + 3
    assert set(BY_NAME["Deliveries"].field("State").choices) == words


def test_a_report_writes_only_fields_that_are_ours() -> None:
    report = Report("d1", None, "t", "rec1", "rec2", Platform.TIKTOK, "Failed")
    written = set(report.cells(0)) | set(report.identity())
    ours = {field.name for field in BY_NAME["Deliveries"].fields if field.by == "Schedulo"}
    assert written == ours - {*POST_NUMBERS, NUMBERS_AT}
