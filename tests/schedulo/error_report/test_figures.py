"""What went wrong on a day, counted by what was noted then."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from schedulo.clock import ClockError
from schedulo.delivery.incidents import Trouble, over
from schedulo.delivery.self_tests import PREFIX
from schedulo.error_report.figures import QUIET, Group, yesterday
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import incident_cases, incidents
from schedulo.model import State
from tests.schedulo.error_report.conftest import Days

NOT_OUT, NOT_RIGHT, DELAYED = Group


def test_each_post_counts_once_by_the_worst_that_befell_it(days: Days) -> None:
    with days.at(0):
        refused = days.refused()
        days.trouble(Trouble.LATE, refused, about="x")
        missed = days.add(State.MISSED)
        days.trouble(Trouble.MISSED, missed)
        days.trouble(Trouble.MISSED, missed)
        days.trouble(Trouble.INCOMPLETE, days.add(State.PUBLISHED_INCOMPLETE, accepted_ms=days.now_ms))
        days.trouble(Trouble.HELD, days.add(State.HELD), about="account:x:1:reconnect")
        days.retried(late_s=5)
        days.retried(late_s=0.5)  # it cost nothing
        days.add(State.PUBLISHED)
    report = days.report()
    assert report.day.counts == {NOT_OUT: 2, NOT_RIGHT: 1, DELAYED: 2}
    assert (report.day.hit, report.day.due, len(report.hits)) == (5, 7, 5)
    assert report.hits[0].group is NOT_OUT
    assert report.out_by_now == 2


def test_what_was_mended_since_counts_for_its_day_although_its_incident_is_gone(days: Days) -> None:
    with days.at(1):
        id_ = days.refused()
    for table in (incident_cases, incidents):
        days.run(sa.delete(table))
    days.change(id_, state=State.PUBLISHED, accepted_ms=days.now_ms)
    report = days.report()
    assert report.day.hit == 0
    assert report.day_before.counts == {NOT_OUT: 1, NOT_RIGHT: 0, DELAYED: 0}
    [hit] = days.report(date(2026, 11, 24)).hits
    assert (hit.state, hit.group) == (State.PUBLISHED, NOT_OUT)


def test_a_cause_that_comes_back_leaves_what_it_did_before(days: Days) -> None:
    for day in (7, 3, 3, 0):
        with days.at(day):
            days.refused()
            days.do(over, Trouble.FAILED, "content_rejected:x:187")
    report = days.report()
    [cause] = report.causes
    assert (cause.posts, cause.before, cause.stands) == (1, 3 / 7, False)
    assert report.week_before == 3 / 7
    assert report.same_day.hit == 1


def test_causes_are_told_the_worst_first_with_who_acts(days: Days) -> None:
    with days.at(0):
        days.retried(late_s=9)
        for _ in range(3):
            days.refused("instagram:2")
        days.refused("x:1")
        days.trouble(Trouble.HELD, *(days.add(State.HELD) for _ in range(5)), about="platform:x:billing")
        days.trouble(Trouble.WORKFLOW, about="maintain.remove", sentence="remove of maintain failed")
    report = days.report()
    assert [(cause.title, cause.posts) for cause in report.causes] == [
        ("Posts could not be published", 3),
        ("Posts could not be published", 1),
        ("Posts are held", 5),
        ("Tried again by itself, and late", 1),
        ("A workflow did not do its work", 0),
    ]
    assert report.causes[0].actor is Actor.AUTHOR
    assert report.causes[0].stands
    assert report.causes[3].sentence == "x is not answering properly (503)"
    assert [cause.sentence for cause in report.around] == ["remove of maintain failed"]
    assert [(part.platform, part.due, part.counts[NOT_OUT]) for part in report.platforms] == [
        ("instagram", 3, 3),
        ("x", 7, 1),
    ]
    assert report.kinds[0] == ("Posts could not be published", 4, 0.0)


@pytest.mark.parametrize(("zone", "counted"), [("UTC", 0), ("Asia/Kathmandu", 1), ("America/Los_Angeles", 0)])
def test_a_day_is_one_on_the_operators_clock(days: Days, zone: str, counted: int) -> None:
    with days.at(1, hour=18.5):  # 00:15 of the next day in Kathmandu
        days.refused()
    report = days.report(zone=zone)
    assert report.day.hit == counted
    assert report.day_before.hit == 1 - counted


def test_days_before_noting_began_are_not_known_and_never_0(days: Days) -> None:
    days.since(datetime(2026, 11, 24, 15, tzinfo=UTC))
    with days.at(0):
        days.refused()
    report = days.report()
    assert report.whole
    assert (report.day.hit, report.day_before.hit, report.week_before) == (1, None, None)
    assert report.causes[0].before is None
    assert report.day_before.due == 0
    first = days.report(date(2026, 11, 24))
    assert not first.whole
    assert first.day.hit is None


def test_days_whose_notes_were_removed_are_not_known(days: Days) -> None:
    report = days.report(history_days=5)
    assert [item.hit for item in report.days] == [None] * 11 + [0] * 4


def test_our_own_tests_are_nobodys_posts(days: Days) -> None:
    with days.at(0):
        days.refused(post_id=f"{PREFIX}2026-11-25")
    report = days.report()
    assert report.empty
    assert report.day.due == 0


@pytest.mark.parametrize("kind", QUIET)
def test_what_people_do_or_wait_for_on_purpose_is_no_error(days: Days, kind: Trouble) -> None:
    with days.at(0):
        days.trouble(kind, days.add(State.HELD))
    assert days.report().empty


def test_a_cause_that_is_met_every_minute_is_one_note_a_quarter_of_an_hour(days: Days) -> None:
    with days.at(0, hour=10):
        for _ in range(31):
            days.trouble(Trouble.AIRTABLE_READ, about="AirtableDown")
            days.pass_s(60)
    assert [row.times for row in days.notes()] == [15, 15, 1]
    [cause] = days.report().causes
    assert (cause.times, cause.last_ms - cause.first_ms) == (31, 30 * 60_000)


def test_yesterday_is_the_last_whole_day_and_a_wrong_zone_is_told() -> None:
    at_ms = int(datetime(2026, 11, 26, 4, tzinfo=UTC).timestamp() * 1000)
    assert yesterday(at_ms, "UTC") == date(2026, 11, 25)
    assert yesterday(at_ms, "America/Los_Angeles") == date(2026, 11, 24)
    with pytest.raises(ClockError, match="SCHEDULO_AIRTABLE_TIMEZONE"):
        yesterday(at_ms, "Nowhere/Land")
