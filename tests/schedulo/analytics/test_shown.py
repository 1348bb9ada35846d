"""Numbers reach the rows of a real base: only what changed, ten in a call, beside the ticks and never before
them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from pyairtable import Api

from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.airtable.calls import BESIDE_PER_S
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.schema import ACCOUNT_NUMBERS, NUMBERS_AT, POST_NUMBERS
from schedulo.analytics.shown import Told, tell_numbers
from schedulo.errors.airtable import AirtableError
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents, outbox
from schedulo.planning.reports import flush
from schedulo.settings import Settings
from tests.schedulo.analytics.laid_out import Numbers, at, ms
from tests.skipping import calls_at_once

BASE = "appNumbers0000001"
TOKEN = "patNumbers"
MONDAY = date(2026, 11, 2)
DAY = timedelta(days=1)
TODAY = MONDAY + 9 * DAY


class Board:
    """A base in the sandbox, numbers in the warehouse, and what brings them together."""

    def __init__(self, sandbox: RunningSandbox, ledger: Ledger) -> None:
        self.sandbox, self.ledger, self.numbers = sandbox, ledger, Numbers(ledger)
        self.settings = Settings()
        self.made = 0
        self.said: list[str] = []

    def api(self) -> Api:
        return Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))

    def complete(self) -> None:
        """Add to the base what it lacks."""
        api = self.api()
        create_base(api, BASE, calls=calls_at_once(api))

    def client(self) -> AirtableClient:
        self.made += 1
        # Nothing sleeps: what the pace is, is a test of its own.
        return AirtableClient(self.api(), BASE, calls_per_s=1000, budget_s=20)

    def tell(self, day: date = TODAY, hour: int = 13, **options: Any) -> Told:
        return tell_numbers(
            self.ledger,
            self.client,
            self.settings,
            ms(at(day, hour)),
            "this run",
            say=self.said.append,
            **options,
        )

    def row(self, table: str, record_id: str) -> dict[str, Any]:
        return dict(self.api().table(BASE, table).get(record_id)["fields"])

    def shown(self, table: str, record_id: str) -> dict[str, Any]:
        names = (*(POST_NUMBERS if table == "Deliveries" else ACCOUNT_NUMBERS), NUMBERS_AT)
        return {name: value for name, value in self.row(table, record_id).items() if name in names}

    def account(self, key: str = "x:1") -> str:
        record_id = self.api().table(BASE, "Accounts").create({"Name": key})["id"]
        self.numbers.account(key, record_id=record_id)
        return str(record_id)

    def posts(self, count: int, views: int = 100) -> list[str]:
        """Posts that were told to a row each and read once; answers the rows' ids."""
        made: list[str] = []
        table = self.api().table(BASE, "Deliveries")
        for start in range(0, count, 10):
            made += [row["id"] for row in table.batch_create([{"Key": "k"}] * min(10, count - start))]
        for number, record_id in enumerate(made):
            key = f"post{number}"
            self.numbers.post(key, "x:1", at(MONDAY))
            self.numbers.told(key, record_id)
            self.numbers.read(key, at(MONDAY, 13), views=views, likes=number)
        return made

    def calls(self) -> int:
        return sum(row["count"] for row in self.sandbox.requests() if row["method"] == "PATCH")

    def incidents(self) -> list[tuple[str, str, int]]:
        with self.ledger.read() as connection:
            query = sa.select(incidents.c.key, incidents.c.sentence, incidents.c.times).where(
                incidents.c.closed_ms.is_(None)
            )
            return [tuple(row) for row in connection.execute(query)]  # type: ignore[misc]


@pytest.fixture
def board(sandbox: RunningSandbox, ledger: Ledger) -> Board:
    first = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
    sandbox.seed(
        {
            "airtable": {
                "tokens": [{"token": TOKEN, "bases": "*"}],
                "bases": [{"id": BASE, "name": "Numbers", "tables": [first]}],
            }
        }
    )
    sandbox.switch(airtable_requests_per_s="0")
    board = Board(sandbox, ledger)
    board.complete()
    return board


def test_a_post_shows_its_numbers_and_leaves_empty_what_is_not_told(board: Board) -> None:
    board.account()
    (record_id,) = board.posts(1)
    before = board.row("Deliveries", record_id)
    told = board.tell()
    assert (told.rows, told.calls) == (1, 1)
    assert board.shown("Deliveries", record_id) == {
        "Views": 100,
        "Likes": 0,
        NUMBERS_AT: "2026-11-02T13:00:00.000Z",
    }
    assert board.row("Deliveries", record_id).items() >= before.items()


def test_an_account_shows_what_it_got_in_seven_days(board: Board) -> None:
    record_id = board.account()
    board.numbers.post("a", "x:1", at(MONDAY))
    for number in range(9):
        day = MONDAY + number * DAY
        board.numbers.day("a", day, views=100 + 10 * number, likes=number, shares=1)
        board.numbers.account_day("x:1", day, followers=1000 - number)
    board.numbers.collected("x:1", *(MONDAY + number * DAY for number in range(9)))
    board.tell()
    assert board.shown("Accounts", record_id) == {
        "Followers": 992,
        "Followers in 7 days": -7,
        "Views in 7 days": 70,
        "Engagements in 7 days": 7,
        NUMBERS_AT: "2026-11-11T00:30:00.000Z",
    }


def test_a_week_with_a_gap_is_an_empty_cell(board: Board) -> None:
    record_id = board.account()
    board.numbers.post("a", "x:1", at(MONDAY))
    for number in range(9):
        day = MONDAY + number * DAY
        board.numbers.day("a", day, views="missed" if number == 5 else 100, likes=number)
        board.numbers.account_day("x:1", day, followers="missed" if number == 1 else 50)
    board.numbers.collected("x:1", *(MONDAY + number * DAY for number in range(9)))
    board.tell()
    shown = board.shown("Accounts", record_id)
    assert (shown["Followers"], shown["Engagements in 7 days"]) == (50, 7)
    assert "Followers in 7 days" not in shown
    assert "Views in 7 days" not in shown


def test_what_an_account_got_long_ago_is_not_shown_as_its_last_week(board: Board) -> None:
    record_id = board.account()
    board.numbers.post("a", "x:1", at(MONDAY))
    for number in range(9):
        board.numbers.day("a", MONDAY + number * DAY, views=100)
        board.numbers.account_day("x:1", MONDAY + number * DAY, followers=50)
    board.numbers.collected("x:1", *(MONDAY + number * DAY for number in range(9)))
    board.tell()
    assert "Views in 7 days" in board.shown("Accounts", record_id)
    board.tell(TODAY + 4 * DAY)
    assert set(board.shown("Accounts", record_id)) == {"Followers", NUMBERS_AT}


def test_ten_rows_are_told_in_one_call_and_none_of_them_again(board: Board) -> None:
    board.account()
    board.posts(25)
    assert (board.tell().calls, board.calls()) == (3, 3)
    again = board.tell()
    assert (again.rows, again.calls) == (0, 0)
    board.numbers.read("post7", at(TODAY, 5), views=100, likes=7)  # as before
    board.numbers.read("post8", at(TODAY, 5), views=101, likes=8)
    assert (board.tell().rows, board.calls()) == (1, 4)


def test_a_number_that_was_withdrawn_is_taken_off_its_row(board: Board) -> None:
    board.account()
    (record_id,) = board.posts(1)
    board.tell()
    board.numbers.read("post0", at(TODAY, 5), views="retired", likes=0)
    board.tell()
    assert "Views" not in board.shown("Deliveries", record_id)


def test_ticks_see_nothing_of_thousands_of_numbers(board: Board) -> None:
    board.account()
    board.posts(40)
    board.settings = replace(board.settings, airtable_monthly_calls=1)
    board.tell()  # of forty rows one call may tell ten
    with board.ledger.begin() as connection:
        kinds = connection.execute(
            sa.select(outbox.c.kind, sa.func.count())
            .where(outbox.c.version > outbox.c.told_version)
            .group_by(outbox.c.kind)
        ).all()
    assert [tuple(row) for row in kinds] == [("numbers", 30)]
    client = board.client()
    with client.within(10):
        assert flush(board.ledger, client, board.settings) == 0
    assert client.calls.count == 0


def test_telling_numbers_wakes_no_reading_of_posts_and_requests(board: Board) -> None:
    board.account()
    board.posts(3)
    client = AirtableClient(board.api(), BASE, overlap_s=-300)
    _, _, cursor = client.deliveries_since(None, ms(at(MONDAY)))
    posts = client.posts_changed_since(None).cursor
    board.sandbox.advance(600)
    board.tell()
    heard = client.deliveries_since(cursor, ms(at(MONDAY)))
    assert (heard.commands, heard.told) == ([], [])
    assert client.posts_changed_since(posts).rows == []


def test_a_row_that_is_gone_does_not_hold_up_the_others(board: Board) -> None:
    board.account()
    gone, *rest = board.posts(10)
    board.api().table(BASE, "Deliveries").delete(gone)
    told = board.tell()
    assert told.rows == 9
    assert any(line.startswith("numbers:post0: ") for line in board.said)
    assert all("Views" in board.shown("Deliveries", record_id) for record_id in rest)
    assert board.tell().calls == 0


def test_a_row_that_was_made_anew_gets_its_numbers_again(board: Board) -> None:
    board.account()
    board.posts(1)
    board.tell()
    new = board.api().table(BASE, "Deliveries").create({"Key": "k"})["id"]
    with board.ledger.begin() as connection:
        connection.execute(sa.update(outbox).where(outbox.c.key == "post0").values(record_id=new))
    board.tell()
    assert board.shown("Deliveries", new)["Views"] == 100


def test_a_post_that_airtable_does_not_know_yet_waits_for_its_row(board: Board) -> None:
    board.account()
    board.numbers.post("early", "x:1", at(MONDAY))
    board.numbers.read("early", at(MONDAY, 13), views=5)
    assert (board.tell().rows, board.made) == (0, 0)
    record_id = board.api().table(BASE, "Deliveries").create({"Key": "k"})["id"]
    board.numbers.told("early", record_id)
    board.tell()
    assert board.shown("Deliveries", record_id)["Views"] == 5


# --- bases of before, limits, other runs ----------------------------------------------------------------


def without_fields(board: Board, *names: str) -> None:
    """The base as it was before there were numbers."""
    tables = board.api().get(board.api().base(BASE).urls.tables)["tables"]
    for table in tables:
        for field in table["fields"]:
            if field["name"] in names:
                url = f"{board.api().base(BASE).urls.tables}/{table['id']}/fields/{field['id']}"
                board.api().patch(url, json={"name": f"Old {field['name']}"})


def test_a_base_without_the_fields_is_one_incident_and_the_command_it_names_mends_it(board: Board) -> None:
    account = board.account()
    (record_id,) = board.posts(1)
    board.numbers.account_day("x:1", MONDAY, followers=50)
    without_fields(board, "Views")
    told = board.tell()
    assert told.rows == 1  # Accounts has its fields
    board.tell()
    ((key, sentence, times),) = board.incidents()
    assert (key, times) == ("setup:numbers in Deliveries", 2)
    assert "`schedulo airtable create`" in sentence
    assert "Views" in sentence
    board.complete()
    board.tell()
    assert board.incidents() == []
    assert board.shown("Deliveries", record_id)["Views"] == 100
    assert board.shown("Accounts", account)["Followers"] == 50


def test_a_field_of_another_type_is_one_incident_and_not_a_refusal_of_each_row(board: Board) -> None:
    board.account()
    board.posts(20)
    without_fields(board, "Views")
    tables = board.api().get(board.api().base(BASE).urls.tables)["tables"]
    (table_id,) = (table["id"] for table in tables if table["name"] == "Deliveries")
    url = f"{board.api().base(BASE).urls.tables}/{table_id}/fields"
    board.api().post(url, json={"name": "Views", "type": "singleLineText"})
    assert board.tell().calls == 1
    ((key, sentence, _times),) = board.incidents()
    assert key == "setup:numbers in Deliveries"
    assert "`schedulo airtable check`" in sentence


def test_a_table_that_may_not_be_edited_costs_the_other_nothing(board: Board) -> None:
    account = board.account()
    (record_id,) = board.posts(1)
    board.numbers.account_day("x:1", MONDAY, followers=50)
    board.sandbox.fault(service="airtable", method="PATCH", mode="status:403/INVALID_PERMISSIONS", times=1)
    with pytest.raises(AirtableError):
        board.tell()
    assert board.shown("Accounts", account) == {}
    assert board.shown("Deliveries", record_id)["Views"] == 100


def test_the_month_s_calls_are_used_by_a_part_each_day(board: Board) -> None:
    board.account()
    board.posts(35)
    board.settings = replace(board.settings, airtable_monthly_calls=300)  # two calls a day
    assert [board.tell().rows, board.tell().rows, board.tell(TODAY + DAY).rows] == [20, 0, 15]


def test_between_two_days_numbers_are_told_every_six_hours_at_the_most(board: Board) -> None:
    board.account()
    board.posts(1)
    board.tell(hour=6)
    board.numbers.read("post0", at(TODAY, 5), views=200)
    assert board.tell(hour=11, every_s=6 * 3600).rows == 0
    assert board.tell(hour=12, every_s=6 * 3600).rows == 1


def test_two_runs_do_not_tell_at_once(board: Board) -> None:
    board.account()
    board.posts(1)
    with board.ledger.begin() as connection:
        assert marks.lease(connection, board.ledger.now_ms(connection), "numbers", "another", 60)
    told = board.tell()
    assert (told.rows, board.said) == (0, ["another run tells numbers"])


def test_what_airtable_took_before_it_failed_counts_as_told(board: Board) -> None:
    board.account()
    board.posts(20)
    board.sandbox.fault(service="airtable", method="PATCH", mode="status:403", times=1, after=1)
    with pytest.raises(AirtableError):
        board.tell()
    assert board.tell().rows == 10


def test_telling_takes_one_call_a_second(board: Board) -> None:
    slept: list[float] = []
    client = AirtableClient(
        board.api(),
        BASE,
        calls_per_s=BESIDE_PER_S,
        clock=lambda: time.monotonic() + sum(slept),
        sleep=slept.append,
    )
    for _ in range(3):
        client.knock("Deliveries")
    assert len(slept) == 2
    assert sum(slept) > 1.8
