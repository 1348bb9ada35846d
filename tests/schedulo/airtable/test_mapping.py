from __future__ import annotations

from pathlib import Path

import pytest

from schedulo.airtable.mapping import Mapping, MappingError


def test_without_a_file_every_name_is_ours() -> None:
    mapping = Mapping.load("")
    assert (mapping.table("Posts"), mapping.field("Posts", "Text")) == ("Posts", "Text")


def test_a_file_renames_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    file.write_text('{"tables": {"Posts": "Kalender"}, "fields": {"Posts": {"Text": "Inhalt"}}}')
    mapping = Mapping.load(file)
    assert mapping.table("Posts") == "Kalender"
    assert mapping.cells("Posts", {"Text": "x", "Title": "y"}) == {"Inhalt": "x", "Title": "y"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "must be"),
        ('{"table": {}}', "must be"),
        ('{"tables": []}', "must be an object"),
        ('{"tables": {"Post": "X"}}', "'Post' is none of Accounts, Mentions, Posts, Deliveries"),
        ('{"tables": {"Posts": ""}}', "must be text"),
        ('{"fields": {"Posts": {"Txt": "X"}}}', "'Txt' is none of"),
        ('{"fields": {"Posts": {"Text": 5}}}', "must be text"),
        ('{"fields": {"Posts": {"Text": "Title"}}}', "'Title' is used for two of our names"),
        ('{"tables": {"Posts": "Accounts"}}', "'Accounts' is used for two of our names"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_is_wrong_where(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "mapping.json"
    file.write_text(content)
    with pytest.raises(MappingError, match=says):
        Mapping.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"nowhere\.json: cannot be read"):
        Mapping.load(tmp_path / "nowhere.json")
