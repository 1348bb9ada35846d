"""The day's errors as a message, a page and lines, told once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schedulo.delivery.incidents import Trouble
from schedulo.error_report.page import page
from schedulo.error_report.words import headline, lines, message, tell
from schedulo.errors.kinds import Kind
from schedulo.model import State
from schedulo.settings import Settings
from schedulo.telling.letters import letters
from schedulo.telling.recipients import Recipients
from tests.schedulo.error_report.conftest import DAY, NOW, Days

NOW_MS = int(NOW.timestamp() * 1000)
AGAIN = "Mend the cause, then ask for them again: clear the task in Airflow, or request a retry in Airtable."


def test_operators_read_what_failed_why_and_who_acts(days: Days) -> None:
    with days.at(7):
        days.refused()
    with days.at(0):
        days.refused()
        days.refused(kind=Kind.RECONNECT)
        days.retried(late_s=9)
    told = message(days.report(), "https://airflow.example.com/schedulo/reports/errors-2026-11-25.html")
    assert told is not None
    assert told.title == "Errors of 25 Nov 2026: 3 posts (3 were due): 2 not out, 1 late or held"
    assert told.body.splitlines() == [
        "Posts:",
        "- Something was wrong with 3 posts (3 were due): 2 not out, 1 late or held; 1 of them is out by now",
        "- Against the day before: 0 (+3), the same weekday a week before: 1 (+2), "
        "an average day of the week before: 0.1 (+2.9); – is not known",
        "Causes:",
        "- Posts could not be published (1 post, not over): x does not accept this text or these settings; "
        f"change the post (400, 187, no). The author: {AGAIN}",
        "- Posts could not be published (1 post, not in the week before, not over): x no longer accepts this "
        f"account's login; connect it again (400, 187, no). The account's owner: {AGAIN}",
        "- Tried again by itself, and late (1 post, not in the week before): x is not answering properly "
        "(503). Nobody must act.",
        "Where:",
        "- X 1: 2 not out, 1 late or held; 3 were due",
        "The report: https://airflow.example.com/schedulo/reports/errors-2026-11-25.html",
    ]


def test_a_day_is_told_once_on_the_operators_channels(days: Days) -> None:
    chosen = Settings(notify_operator="ops@example.com", notify_owner="owner@example.com")
    with days.at(0):
        days.refused()
    told = message(days.report())
    assert told is not None
    with days.ledger.begin() as connection:
        recipients = Recipients.of(chosen)
        assert tell(connection, NOW_MS, DAY, told, recipients) == ("ops@example.com",)
        assert tell(connection, NOW_MS + 1, DAY, told, recipients) == ()
        [letter] = letters(connection, NOW_MS + 2, chosen)
    assert letter.message.title == told.title


def test_nobody_is_written_to_where_nobody_must_act(days: Days) -> None:
    assert message(days.report()) is None
    assert headline(days.report()) == "none"
    with days.at(0):
        days.trouble(Trouble.WORKFLOW, about="maintain.remove")
    report = days.report()
    assert message(report) is not None
    assert headline(report) == "no post, 1 cause around them"


def test_a_day_of_which_nothing_is_known_is_told_as_that(days: Days) -> None:
    days.since(NOW)
    report = days.report()
    assert "Nothing that went wrong is known" in page(report)
    assert any("Not all of the day is known" in line for line in lines(report))
    assert "Nothing went wrong" not in page(report)


def test_the_page_shows_trends_causes_and_posts_and_escapes_what_strangers_wrote(days: Days) -> None:
    with days.at(2):
        days.trouble(Trouble.MISSED, days.add(State.MISSED))
    with days.at(0):
        id_ = days.refused()
        days.change(id_, label="<script>alert(1)</script>")
        days.trouble(Trouble.HEALTH, about="queue", sentence="<b>3</b> posts are due & not out")
    made = page(days.report())
    assert "<svg" in made
    assert "Posts that something was wrong with, by day" in made
    assert "&lt;script&gt;alert(1)" in made
    assert "<script>" not in made
    assert "&lt;b&gt;3&lt;/b&gt; posts are due &amp; not out" in made
    assert made.count("Posts could not be published") >= 2
    assert "http" not in made.replace("http://www.w3.org", "")  # it needs no network


def test_a_day_without_errors_is_a_page_that_says_so(days: Days) -> None:
    with days.at(0):
        days.add(State.PUBLISHED)
    assert "Nothing went wrong. 1 post was due." in page(days.report())


@pytest.mark.parametrize("count", [1, 30])
def test_a_message_names_a_few_causes_and_counts_the_rest(days: Days, count: int) -> None:
    with days.at(0):
        for number in range(count):
            days.trouble(Trouble.HEALTH, about=f"check{number}")
    told = message(days.report())
    assert told is not None
    assert ("and 25 more in the report" in told.body) is (count == 30)
    assert replace(told, title="").body.count("A check of Schedulo's health is red") == min(count, 5)
