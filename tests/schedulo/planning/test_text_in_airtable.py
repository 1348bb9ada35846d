"""Texts as rows of a real base say them, planned and sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from schedulo.ledger.tables import marks
from schedulo.publishing.ending import End
from schedulo.text import x_weighted_length
from tests.schedulo.planning.conftest import BASE, Office


def later(office: Office) -> None:
    """Ten minutes pass: accounts and mentions are read again."""
    with office.ledger.begin() as connection:
        connection.execute(sa.update(marks).where(marks.c.name == "airtable:accounts").values(at_ms=0))


def content(office: Office) -> Any:
    return office.one().content


def test_a_post_is_planned_with_names_hashtags_template_and_tags_of_the_base(office: Office) -> None:
    office.add("Mentions", Name="Ann Lee", X="@ann_lee", Instagram="ann.lee")
    account = office.account(
        "7",
        **{
            "Text template": "{text}\n\n{hashtags}\n— N.",
            "Hashtags": "northlight",
            "UTM tags": "utm_source={platform}",
        },
    )
    office.post(account, "Hi @ann lee, see https://a.co", Hashtags="roast #Northlight")
    office.tick()
    assert content(office)["text"] == (
        "Hi @ann_lee, see https://a.co?utm_source=x\n\n#roast #Northlight\n— N."
    )
    assert office.one().warnings == (
        "Text (https://a.co?utm_source=x): X charges $0.20 for a post with a link, instead of $0.015 "
        "(April 2026). Nothing has to be done."
    )


def test_a_changed_handle_changes_what_is_planned(office: Office) -> None:
    ann = office.add("Mentions", Name="Ann", X="ann_1")
    office.post(office.account("7"), "Hi @Ann", due_in_s=3600)
    office.tick()
    assert content(office)["text"] == "Hi @ann_1"
    office.change("Mentions", ann, X="ann_2")
    later(office)
    office.add("Posts", Title="another row that is read", Status="Draft")
    office.tick()
    office.tick()
    assert content(office)["text"] == "Hi @ann_2"


def test_a_base_without_the_table_is_planned_with_the_names_as_they_are_known(office: Office) -> None:
    office.add("Mentions", Name="Ann", X="ann_1")
    account = office.account("7")
    office.post(account, "Hi @Ann")
    office.tick()
    api = office.api()
    tables = api.base(BASE).urls.tables
    ids = {table["name"]: table["id"] for table in api.get(tables)["tables"]}
    api.patch(f"{tables}/{ids['Mentions']}", json={"name": "Mentions of old"})
    later(office)
    office.post(account, "Bye @Ann")
    office.tick()
    assert sorted(row.content["text"] for row in office.rows()) == ["Bye @ann_1", "Hi @ann_1"]


def test_a_text_cut_to_the_last_character_is_taken_by_x(office: Office) -> None:
    stage = office.stage()
    stage.seed_x("7")
    account = office.account("7", **{"UTM tags": "utm_source={platform}"})
    words = "漢字 👨\u200d👩\u200d👧 Kaffee " * 30
    cells = {"Hashtags": "roast", "Link": "https://example.com/roast", "May be shortened": True}
    office.post(account, words, due_in_s=2, Thread="e\u0301 " * 400, **cells)
    office.tick()
    publisher = stage.publisher()
    try:
        assert publisher.work_on("run-1", 0, "ti-0").result(60).end is End.SUCCESS
    finally:
        publisher.close()
    first, second = office.sandbox.posts()
    assert first["text"].endswith("…\n\n#roast\nhttps://example.com/roast?utm_source=x")
    assert 270 <= x_weighted_length(first["text"]) <= 280
    assert 279 <= x_weighted_length(second["text"]) <= 280
