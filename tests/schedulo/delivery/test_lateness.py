"""Posts that are not out although their second is past: who is told, once a cause, and of what not."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, close_what_is_over, incident
from schedulo.delivery.lateness import run_is_late, tell
from schedulo.delivery.moved import settle
from schedulo.delivery.windows import Fate, Wanted, plan
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import claims, incident_cases, incidents
from schedulo.model import State
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import Books


def told(books: Books, **chosen: Any) -> dict[str, set[str]]:
    """Look once; the cases of every open incident."""
    books.do(tell, Settings(**chosen))
    open_ = sa.select(incidents.c.key).where(incidents.c.closed_ms.is_(None))
    query = sa.select(incident_cases).where(incident_cases.c.incident_key.in_(open_))
    found: dict[str, set[str]] = {row.key: set() for row in books.run(open_)}
    for row in books.run(query):
        found[row.incident_key].add(row.delivery_id)
    return found


def late(books: Books, seconds: float, state: State = State.ARMED, **values: Any) -> str:
    """A post whose second was so long ago."""
    at_ms = books.now_ms - int(seconds * 1000)
    return books.add(state, **{"due_ms": at_ms, "fire_ms": at_ms} | values)


def sentence(books: Books) -> str:
    [row] = books.run(sa.select(incidents.c.sentence))
    return str(row.sentence)


@pytest.mark.parametrize("state", [State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED])
def test_a_post_that_nobody_sent_is_told_after_a_minute_and_not_before(books: Books, state: State) -> None:
    id_ = late(books, 60, state=state)
    assert told(books) == {}
    books.pass_s(0.001)
    assert told(books) == {"late:waiting": {id_}}
    assert "not out 60 seconds after the second it was due" in sentence(books)


def test_two_hundred_late_posts_are_one_incident_and_each_is_told_once(books: Books) -> None:
    ids = {late(books, 61) for _ in range(200)}
    assert told(books) == {"late:waiting": ids}
    books.pass_s(60)
    assert books.do(tell, Settings()) == 0
    assert books.run(sa.select(incidents.c.times)) == [(1,)]
    more = late(books, 61)
    assert told(books) == {"late:waiting": ids | {more}}


def test_it_says_whether_anything_that_publishes_lives(books: Books) -> None:
    late(books, 61)
    told(books)
    assert "no process that publishes gives a sign of life" in sentence(books)
    books.run(sa.delete(incident_cases))
    books.run(sa.delete(incidents))
    books.beat()
    told(books)
    assert "a triggerer is there" in sentence(books)


def test_what_a_platform_keeps_failing_is_late_by_its_first_failure_however_often_it_is_tried_again(
    books: Books,
) -> None:
    reason = "waiting until 10:00:00 UTC: X is not answering properly"
    values = {"fire_ms": books.now_ms + 300_000, "reason": reason}
    x = late(books, 70, trouble_since_ms=books.now_ms - 69_000, state=State.SCHEDULED, **values)
    late(books, 7200, trouble_since_ms=books.now_ms - 59_000, account="x:2", **values)  # just let go
    other = late(books, 70, trouble_since_ms=books.now_ms - 69_000, account="tiktok:1", **values)
    assert told(books) == {"late:x": {x}, "late:tiktok": {other}}
    assert reason in {row.sentence.partition("due: ")[2] for row in books.run(sa.select(incidents))}


def test_a_post_that_was_let_go_later_is_late_by_that_second(books: Books) -> None:
    """A hold ended, or somebody asked for it again."""
    late(books, 7200, fire_ms=books.now_ms - 59_000)
    assert told(books) == {}


def test_what_was_sent_and_is_not_known_to_be_out_is_told_by_the_second_it_was_sent(books: Books) -> None:
    values = {"state": State.UNKNOWN, "reason": "it is not known whether it went out; being looked up"}
    late(books, 7200, sent_ms=books.now_ms - 59_000, **values)
    id_ = late(books, 70, sent_ms=books.now_ms - 61_000, **values)
    assert told(books) == {"late:unknown:x": {id_}}
    assert sentence(books).endswith("being looked up")


@pytest.mark.parametrize(
    "values",
    [
        {"state": State.HELD},
        {"state": State.MISSED},
        {"state": State.FAILED},
        {"state": State.CANCELLED},
        {"state": State.UNRESOLVED},
        {"state": State.PUBLISHED},
        {"state": State.PROCESSING},
        {"state": State.SCHEDULED, "ready": False},
        {"state": State.SCHEDULED, "approval": "needed"},
    ],
    ids=lambda values: "-".join(str(value) for value in values.values()),
)
def test_what_is_told_in_other_words_is_not_late(books: Books, values: dict[str, Any]) -> None:
    late(books, 600, **values)
    assert told(books) == {}


@pytest.mark.parametrize("until_s", [None, 30])
def test_what_a_hold_stops_is_not_late(books: Books, until_s: int | None) -> None:
    """Also where nothing has noticed the hold yet."""
    books.hold("platform", "x", until_ms=None if until_s is None else books.now_ms + until_s * 1000)
    late(books, 600)
    assert told(books) == {}
    other = late(books, 600, account="tiktok:1")
    assert told(books) == {"late:waiting": {other}}


def test_a_post_of_which_another_incident_tells_gets_none(books: Books) -> None:
    id_ = late(books, 600)
    key = books.incident(Trouble.AIRTABLE_MISSING, id_)
    assert told(books) == {key: {id_}}
    books.run(sa.update(incidents).values(closed_ms=books.now_ms))
    assert told(books) == {"late:waiting": {id_}}


@pytest.mark.parametrize(
    ("trouble", "about"),
    [
        (Trouble.HEALTH, "airflow:triggerer"),
        (Trouble.HEALTH, "workflow:publish_due_posts"),
        (Trouble.AIRTABLE_STALE, ""),
        (Trouble.RESTORED, "1800000000000"),
    ],
)
def test_where_all_stands_still_late_posts_are_cases_of_that(
    books: Books, trouble: Trouble, about: str
) -> None:
    key = books.incident(trouble, about=about)
    id_ = late(books, 61)
    failing = late(books, 61, trouble_since_ms=books.now_ms - 61_000)
    assert told(books) == {key: {id_}, "late:x": {failing}}


def test_trouble_that_stops_nothing_explains_nothing(books: Books) -> None:
    key = books.incident(Trouble.HEALTH, about="airflow:dag_processor")
    id_ = late(books, 61)
    assert told(books) == {key: set(), "late:waiting": {id_}}


def test_a_post_that_waited_for_a_quota_and_is_not_out_when_there_is_room_is_late(books: Books) -> None:
    id_ = late(books, 3600, state=State.SCHEDULED, fire_ms=books.now_ms + 60_000)
    foretold = {"actor": Actor.OWNER, "about": "x:1:x.posts_day:2026-11-27", "cases": [id_]}
    books.do(incident, Trouble.QUOTA, "@acme has 2 posts planned and room for 1", **foretold)
    key = "quota:x:1:x.posts_day:2026-11-27"
    assert told(books) == {key: {id_}}
    books.pass_s(121)
    assert told(books) == {key: {id_}, "late:waiting": {id_}}


def test_a_post_that_maintenance_moved_is_late_by_the_end_of_that(books: Books) -> None:
    id_ = late(books, 600, fire_ms=books.now_ms - 30_000)
    maintenance = books.incident(Trouble.MAINTENANCE, id_, about="w:1:1h")
    assert told(books) == {maintenance: {id_}}
    books.now_ms += 60_000
    assert told(books) == {maintenance: {id_}, "late:waiting": {id_}}


def test_what_failed_and_was_then_moved_by_maintenance_is_late_by_the_end_of_that(books: Books) -> None:
    failed_ms = books.now_ms - 1_800_000
    id_ = late(books, 1800, State.SCHEDULED, trouble_since_ms=failed_ms, fire_ms=books.now_ms + 60_000)
    from_ms, until_ms = books.now_ms - 10_000, books.now_ms + 3_590_000
    wanted = Wanted(("platform:x",), from_ms, until_ms, Fate.MOVE, "new database")
    books.do(plan, wanted, "ann")
    books.do(settle, 3_600_000)
    books.now_ms = until_ms
    assert told(books) == {}
    books.pass_s(60)
    assert told(books) == {}
    books.pass_s(0.001)
    assert told(books) == {"late:x": {id_}}


def test_a_platform_may_have_more_time_or_none_at_all(books: Books) -> None:
    ids = [late(books, 61, account=f"{name}:1") for name in ("x", "tiktok", "facebook", "instagram")]
    assert told(books, sla_platforms="tiktok:300, x:0, facebook:10") == {"late:waiting": {ids[2], ids[3]}}
    assert told(books, sla_s=0)["late:waiting"] == {ids[2], ids[3]}


def close(books: Books) -> Any:
    real, books.ledger.now = books.ledger.now, sa.literal(books.now_ms)
    close_what_is_over(books.ledger)
    books.ledger.now = real
    return books.run(sa.select(incidents.c.closed_ms))[0].closed_ms


def test_it_is_over_when_no_post_of_it_is_still_to_go_out(books: Books) -> None:
    first, second, third = (late(books, 61) for _ in range(3))
    told(books)
    books.change(first, state=State.PUBLISHED)
    books.change(second, state=State.SCHEDULED, fire_ms=books.now_ms + 3_600_000)  # tried again
    books.change(third, state=State.HELD)
    assert close(books) is None
    books.change(second, due_ms=books.now_ms + 86_400_000)  # its author moved it
    assert close(books) == books.now_ms


# A run that is late


def claimed(books: Books, *ids: str) -> None:
    """They are the run's."""
    for place, id_ in enumerate(ids):
        books.change(id_, run_id="run-1")
        row = {"run_id": "run-1", "map_index": place, "delivery_id": id_, "claimed_ms": books.now_ms}
        books.run(sa.insert(claims).values(**row))


def run_late(books: Books) -> dict[str, set[str]]:
    books.do(run_is_late, Settings(), "run-1", 15)
    return told(books)


def test_a_late_run_whose_posts_are_late_is_told_by_them_alone(books: Books) -> None:
    ids = [late(books, 600), late(books, 600, state=State.UNKNOWN)]
    claimed(books, *ids)
    assert run_late(books) == {"late:waiting": {ids[0]}, "late:unknown:x": {ids[1]}}


def test_a_late_run_tells_of_posts_that_nothing_else_tells_of(books: Books) -> None:
    working, out = late(books, 900, state=State.PROCESSING), late(books, 900, state=State.PUBLISHED)
    claimed(books, working, out, late(books, 900))
    assert run_late(books)["late_run"] == {working}
    [said] = books.run(sa.select(incidents.c.sentence).where(incidents.c.key == "late_run"))
    assert "15 minutes after it was made; it is not known that 1 of its posts" in said.sentence


def test_a_late_run_of_which_a_later_one_has_taken_the_posts_is_late_all_the_same(books: Books) -> None:
    id_ = late(books, 600)
    claimed(books, id_)
    books.change(id_, run_id="run-2")
    assert run_late(books) == {"late:waiting": {id_}, "late_run": set()}


def test_a_late_run_is_no_news_where_everything_stands_still(books: Books) -> None:
    key = books.incident(Trouble.HEALTH, about="airflow:triggerer")
    id_ = late(books, 900, state=State.PROCESSING)
    claimed(books, id_)
    assert run_late(books) == {key: {id_}}
