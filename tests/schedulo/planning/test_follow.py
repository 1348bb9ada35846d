"""What is heard to be changed in the base is read at once, and goes out at once where it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import restored
from schedulo.delivery.claims import Claim
from schedulo.delivery.news import changed
from schedulo.ledger import changes, marks
from schedulo.ledger.changed_rows import changed_rows
from schedulo.ledger.maintenance import windows
from schedulo.ledger.tables import claims, deliveries
from schedulo.ledger.tables import marks as marks_table
from schedulo.planning.tick import Tick
from tests.schedulo.planning.conftest import BASE, Office


def hear(office: Office, table: str, *record_ids: str) -> None:
    """What a webhook of the base would have told."""
    with office.ledger.begin() as connection:
        rows = [(table, id_) for id_ in record_ids]
        changes.hear(connection, office.ledger.now_ms(connection), rows)


def follow(office: Office, run_id: str = "follow-1") -> list[Claim]:
    office.last = Tick(office.planner(), office.client or office.plain_client)
    return office.last.follow(run_id)


def waiting(office: Office) -> list[tuple[str, str]]:
    with office.ledger.read() as connection:
        return changes.heard(connection)


def calls(office: Office) -> int:
    return sum(row["count"] for row in office.sandbox.requests() if row["service"] == "airtable")


@pytest.fixture
def known(office: Office) -> Office:
    """A base whose account and posts of long ago were read by a tick."""
    office.account_row = office.account("1")  # type: ignore[attr-defined]
    office.post(office.account_row, "long ago", due_in_s=600_000)  # type: ignore[attr-defined]
    office.tick()
    return office


def post(office: Office, text: str, due_in_s: float, **cells: Any) -> str:
    return office.post(office.account_row, text, due_in_s, **cells)  # type: ignore[attr-defined]


def test_a_post_that_is_saved_with_its_time_now_is_claimed_by_the_run_that_was_woken(known: Office) -> None:
    record_id = post(known, "at once", due_in_s=0)
    hear(known, "Posts", record_id)
    (claim,) = follow(known)
    assert claim.label.endswith("at once")
    assert waiting(known) == []
    with known.ledger.read() as connection:
        (dag_id,) = connection.execute(sa.select(claims.c.dag_id)).scalars()
    assert dag_id == "follow_changes"


def test_what_is_due_later_is_planned_and_left_to_the_run_of_its_minute(known: Office) -> None:
    hear(known, "Posts", post(known, "in two minutes", due_in_s=120))
    assert follow(known) == []
    states = {row.title: row.state for row in known.rows()}
    assert states["in two minutes"] == "scheduled"
    assert [claim.label[-14:] for claim in known.tick()] == ["in two minutes"]


def test_nothing_is_claimed_twice_by_two_runs_that_were_woken_at_once(known: Office) -> None:
    hear(known, "Posts", post(known, "at once", due_in_s=0))
    first, second, tick = follow(known, "follow-1"), follow(known, "follow-2"), known.tick()
    assert [len(found) for found in (first, second, tick)] == [1, 0, 0]
    assert follow(known, "follow-1") == first, "a run that is repeated answers the same"


def test_a_change_and_a_deletion_reach_what_is_planned_without_a_tick(known: Office) -> None:
    changed, deleted = (post(known, text, due_in_s=100) for text in ("before", "superfluous"))
    assert len(known.tick()) == 2
    known.change("Posts", changed, Text="after")
    known.delete(deleted)
    hear(known, "Posts", changed, deleted)
    follow(known)
    rows = {row.post_id: row for row in known.rows()}
    assert (rows[changed].content["text"], rows[changed].version) == ("after", 2)
    assert rows[deleted].state == "cancelled"
    assert waiting(known) == []


def test_an_account_that_is_switched_off_keeps_back_what_is_due_on_it(known: Office) -> None:
    post(known, "soon", due_in_s=100)
    assert len(known.tick()) == 1
    known.change("Accounts", known.account_row, Active=False)  # type: ignore[attr-defined]
    hear(known, "Accounts", known.account_row)  # type: ignore[attr-defined]
    follow(known)
    assert {row.title: row.state for row in known.rows()}["soon"] == "cancelled"


def test_a_cancel_that_is_asked_for_in_deliveries_is_done(known: Office) -> None:
    post(known, "soon", due_in_s=100)
    known.tick()
    row = known.api().table(BASE, "Deliveries").first(formula="{Delivery}='x @user1: soon'") or {}
    known.change("Deliveries", row["id"], **{"Cancel requested at": row["createdTime"]})
    hear(known, "Deliveries", row["id"])
    follow(known)
    assert {row.title: row.state for row in known.rows()}["soon"] == "cancelled"
    assert waiting(known) == []


def test_maintenance_that_is_planned_in_the_base_counts_at_once(known: Office) -> None:
    post(known, "soon", due_in_s=100)
    now = datetime.now(UTC)
    known.add(
        "Maintenance",
        Reason="New prices",
        From=now.isoformat(),
        Until=(now + timedelta(hours=1)).isoformat(),
        Where="Everything",
    )
    hear(known, "Maintenance", "")
    follow(known)
    assert waiting(known) == []
    with known.ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(windows)).scalar_one() == 1


def test_where_changes_were_lost_everything_that_changed_is_read(known: Office) -> None:
    post(known, "unheard", due_in_s=0)
    hear(known, *changes.EVERYTHING)
    assert [claim.label[-7:] for claim in follow(known)] == ["unheard"]
    assert waiting(known) == []


def test_what_only_one_run_may_do_waits_while_a_tick_does_it(known: Office) -> None:
    hear(known, *changes.EVERYTHING)
    with known.ledger.begin() as connection:
        assert marks.lease(connection, known.ledger.now_ms(connection), "airtable", "run-9", 60)
    assert follow(known) == []
    assert waiting(known) == [changes.EVERYTHING]


def test_a_tick_that_reads_a_row_takes_it_off_what_was_heard(known: Office) -> None:
    hear(known, "Posts", post(known, "at once", due_in_s=0))
    assert len(known.tick()) == 1
    assert waiting(known) == []
    before = calls(known)
    assert follow(known) == []
    assert calls(known) - before <= 1, "it only tells what there is to tell"


def ticked_ago(office: Office, seconds: float) -> None:
    """The last tick was so long ago, as in a ledger that was restored."""
    with office.ledger.begin() as connection:
        ago_ms = office.ledger.now_ms(connection) - int(seconds * 1000)
        tick = sa.update(marks_table).where(marks_table.c.name == restored.TICK)
        connection.execute(tick.values(at_ms=ago_ms))


def test_between_a_restored_backup_and_its_first_tick_nothing_is_sent_nor_told(known: Office) -> None:
    """The backup knows a post as scheduled that went out since, as its row in Airtable says."""
    record_id = post(known, "out since", due_in_s=30)
    known.tick()
    row = known.api().table(BASE, "Deliveries").first(formula="{Delivery}='x @user1: out since'") or {}
    with known.ledger.begin() as connection:
        connection.execute(sa.update(deliveries).values(state="scheduled", run_id=""))
        changed(connection, known.ledger.now_ms(connection), [row.id for row in known.rows()])
    known.change("Deliveries", row["id"], State="Published")
    ticked_ago(known, 300)
    hear(known, "Posts", record_id)
    assert follow(known) == []
    assert any("old one" in line for line in known.last.lines)
    assert known.told()["x @user1: out since"]["State"] == "Published"
    assert waiting(known) == [("Posts", record_id)]


def test_a_run_that_is_repeated_after_the_ticks_stopped_answers_what_it_claimed(known: Office) -> None:
    hear(known, "Posts", post(known, "at once", due_in_s=0))
    claimed = follow(known)
    ticked_ago(known, 300)
    assert (len(claimed), follow(known)) == (1, claimed)


def test_a_row_that_is_changed_again_while_it_is_read_is_read_again(known: Office) -> None:
    record_id = post(known, "first", due_in_s=100)
    hear(known, "Posts", record_id)
    with known.ledger.begin() as connection:  # it was heard of once more, after it was read
        later_ms = known.ledger.now_ms(connection) + 60_000
        connection.execute(sa.update(changed_rows).values(heard_ms=later_ms))
    before = calls(known)
    follow(known)
    assert waiting(known) == [("Posts", record_id)]
    assert calls(known) - before < 5, "by another run: this one does not go round"


def test_what_was_read_earlier_never_takes_the_place_of_what_was_read_later(known: Office) -> None:
    """A tick reads a row, is slow, and plans it after a run that was woken by the next change of it."""
    record_id = post(known, "before", due_in_s=100)
    slow, client = known.planner(), known.plain_client()
    read_ms = slow.moment()
    as_it_was = client.posts_by_id([record_id])
    known.change("Posts", record_id, Text="after")
    hear(known, "Posts", record_id)
    follow(known)
    slow.plan(client, as_it_was, read_ms)
    row = next(row for row in known.rows() if row.post_id == record_id)
    assert row.content["text"] == "after"


def test_a_run_that_died_between_reading_and_planning_leaves_the_change_to_the_next(known: Office) -> None:
    record_id = post(known, "at once", due_in_s=0)
    hear(known, "Posts", record_id)

    def dies() -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        Tick(known.planner(), dies).follow("follow-1")
    assert waiting(known) == [("Posts", record_id)]
    assert len(follow(known, "follow-2")) == 1


def test_an_airtable_that_is_away_is_an_incident_and_what_was_heard_waits(known: Office) -> None:
    record_id = post(known, "at once", due_in_s=0)
    hear(known, "Posts", record_id)
    known.sandbox.fault(service="airtable", mode="status:503", times=-1)
    assert follow(known) == []
    assert "airtable_read" in known.incidents()
    assert waiting(known) == [("Posts", record_id)]


def test_a_wrong_post_is_told_at_once(known: Office) -> None:
    hear(known, "Posts", post(known, "x" * 300, due_in_s=0))
    assert follow(known) == []
    told = [row for row in known.told().values() if row["State"] == "Not planned"]
    assert "280" in told[0]["Message"]
