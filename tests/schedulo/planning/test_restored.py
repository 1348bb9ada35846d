"""A ledger is really backed up, posts go out, the backup is restored: nothing goes out twice, what was not
out goes out. Each guard alone is enough; without them the same story shows two posts."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.transitions import RESTING
from schedulo.ledger.tables import deliveries, incidents, marks
from schedulo.model import State
from tests.schedulo.planning.backup import Backup
from tests.schedulo.planning.conftest import Office

NO_GUARD = frozenset({"witness", "airtable"})


class Story:
    """Two posts go out after the backup: one that it knows as planned, and one that it does not know. A third
    was claimed and its process died; a fourth is due later."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.stage = office.stage()
        self.stage.seed_x("1", "2", "3", "4")
        office.sandbox.switch(x_duplicate_hours="0")  # X's own filter must not help
        self.accounts = [office.account(number) for number in "1234"]

    def until_the_loss(self, *, told: bool) -> None:
        office = self.office
        office.post(self.accounts[0], "known to the backup", due_in_s=2)
        office.post(self.accounts[2], "not out yet", due_in_s=2)
        first = self.claims_of(office.tick(), "known to the backup")
        self.backup = Backup(office.ledger)
        office.post(self.accounts[1], "planned after the backup", due_in_s=2)
        second = self.claims_of(office.tick(), "planned after the backup")
        publisher = self.stage.publisher()
        for run_id, claims in (("run-1", first), ("run-2", second)):
            for claim in claims:
                publisher.work_on(run_id, claim.map_index, f"ti-{run_id}").result(20)
        publisher.close()
        self.lost_at = office.runs
        if told:
            self.lost_at += 1
            office.tick()
        assert self.live() == {"known to the backup": 1, "planned after the backup": 1}

    @staticmethod
    def claims_of(claims: Any, title: str) -> list[Any]:
        return [claim for claim in claims if claim.label.endswith(title)]

    def restore(self) -> None:
        self.backup.restore()
        with self.office.ledger.begin() as connection:  # the backup is a few minutes old
            connection.execute(sa.update(deliveries).values(updated_ms=deliveries.c.updated_ms - 200_000))
            connection.execute(sa.update(marks).values(at_ms=marks.c.at_ms - 200_000))
        self.office.post(self.accounts[3], "due later", due_in_s=5)

    def go_on(self, *, witness: bool = True, broken: frozenset[str] = frozenset()) -> None:
        """Ticks and a publisher, until all deliveries rest."""
        publisher = self.stage.publisher()
        last_success = self.lost_at if witness else None
        self.sentences: list[str] = []
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                claims = self.office.tick(last_success, broken)
                self.sentences += self.office.last.lines
                run_id = f"run-{self.office.runs}"
                work = [publisher.work_on(run_id, claim.map_index, f"ti-{run_id}") for claim in claims]
                for ending in work:
                    ending.result(30)
                last_success = self.office.runs
                rows = self.office.rows()
                if len(rows) >= 4 and all(row.state in RESTING for row in rows):
                    break
                time.sleep(0.2)
            self.office.tick(last_success, broken)
            self.sentences += self.office.last.lines
        finally:
            publisher.close()

    def live(self) -> dict[str, int]:
        texts = [post["text"] for post in self.office.sandbox.posts()]
        return {text: texts.count(text) for text in texts}

    def states(self) -> dict[str, str]:
        return {row.title: row.state for row in self.office.rows()}


@pytest.fixture
def story(office: Office) -> Story:
    return Story(office)


ONCE_EACH = {"known to the backup": 1, "planned after the backup": 1, "not out yet": 1, "due later": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told", "witness"), [(False, True), (True, False), (True, True)], ids=["airflow", "airtable", "both"]
)
def test_after_a_restore_nothing_goes_out_twice_and_what_was_not_out_goes_out(
    story: Story, told: bool, witness: bool
) -> None:
    """Airflow's memory alone is enough (Airtable was told nothing), and so is Airtable's alone."""
    story.until_the_loss(told=told)
    story.restore()
    story.go_on(witness=witness)
    assert story.live() == ONCE_EACH
    assert set(story.states().values()) == {State.PUBLISHED}
    assert all(row.permalink and row.remote_id for row in story.office.rows())
    assert any(sentence.startswith("The ledger was restored (") for sentence in story.sentences)
    with story.office.ledger.read() as connection:
        found = connection.execute(sa.select(incidents).where(incidents.c.kind == "ledger_restored")).all()
    assert [bool(row.closed_ms) for row in found] == [True]
    told_rows = story.office.told()
    assert {row["State"] for row in told_rows.values()} == {"Published"}
    assert all(row["Permalink"] for row in told_rows.values())


@pytest.mark.slow
def test_without_the_guards_the_same_story_shows_two_posts(story: Story) -> None:
    story.until_the_loss(told=True)
    story.restore()
    story.go_on(broken=NO_GUARD)
    assert story.live()["known to the backup"] == 2
    assert story.live()["planned after the backup"] == 2
