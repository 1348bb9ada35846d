"""The page for those who write says what really goes out."""

import re
from pathlib import Path

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import mention_row, post_row
from schedulo.model import Account, Format, Platform
from schedulo.planning.mentions import Mentions
from schedulo.planning.text import FittedText, fit_text
from schedulo.text_rules import text_rule

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-for-each-platform.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)\n```", PAGE, re.DOTALL))
CELLS = dict(re.findall(r"^\| (Title|Text|Hashtags|Link) \| (.*) \|$", PAGE, re.MULTILINE))
PEOPLE = Mentions.of(
    [mention_row({"fields": {"Name": "Ann Lee", "Instagram": "ann.tastes", "X": "annlee"}}, Mapping())]
)
PLACES = {
    Platform.X: (Format.TEXT, {"utm": "utm_source={platform}&utm_campaign={title}"}),
    Platform.INSTAGRAM: (Format.IMAGE, {"template": BLOCKS["template"]}),
    Platform.FACEBOOK: (Format.LINK, {}),
}


def on(platform: Platform) -> FittedText:
    format_, options = PLACES[platform]
    account = Account(platform, "1", "northlight", options=options)
    row = post_row({"id": "rec1", "fields": CELLS}, Mapping())
    return fit_text(row, account, format_, PEOPLE, text_rule(account, format_))


def test_the_texts_of_the_example_are_what_goes_out() -> None:
    assert {platform: on(platform).text for platform in PLACES} == {
        platform: BLOCKS[platform.value] for platform in PLACES
    }


def test_the_example_says_all_that_is_told() -> None:
    told = [f"{platform}: {problem.sentence()}" for platform in PLACES for problem in on(platform).problems]
    assert told == BLOCKS["told"].splitlines()


def test_the_example_names_the_accounts_fields_as_they_are_used() -> None:
    assert PLACES[Platform.X][1]["utm"] in PAGE
