"""Maintenance planned in the base: what rows mean, what they are told, and what posts say."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from pyairtable import Api

from schedulo.airtable.maintenance import maintenance_row
from schedulo.airtable.mapping import Mapping
from schedulo.delivery.windows import Window, unclosed
from schedulo.ledger import marks
from schedulo.ledger.tables import marks as marks_table
from schedulo.model import State
from schedulo.planning.maintenance_rows import ABSENT_EVERY_S, EVERY_S, is_due
from tests.schedulo.planning.conftest import BASE, Office

HOUR_S = 3600


def instant(in_s: float) -> str:
    return datetime.fromtimestamp(time.time() + in_s, UTC).isoformat(timespec="milliseconds")


def planned(office: Office, from_h: float = 2, until_h: float = 4, **cells: Any) -> str:
    row = {
        "Reason": "new database",
        "From": instant(from_h * HOUR_S),
        "Until": instant(until_h * HOUR_S),
        "Where": "Everything",
    }
    return office.add("Maintenance", **{k: v for k, v in (row | cells).items() if v is not None})


def tick(office: Office, but: str = "") -> None:
    """One that reads everything, as every ten minutes one does; `but`: the mark of what it does not."""
    with office.ledger.begin() as connection:
        due = marks_table.c.name.startswith("airtable:") & (marks_table.c.name != but)
        connection.execute(sa.update(marks_table).where(due).values(at_ms=0))
    office.tick()


def told(office: Office, record_id: str) -> tuple[str, str]:
    fields = office.api().table(BASE, "Maintenance").get(record_id)["fields"]
    return fields.get("State", ""), fields.get("Message", "")


def windows(office: Office) -> list[Window]:
    with office.ledger.read() as connection:
        return unclosed(connection)


def calls(office: Office, method: str) -> int:
    rows = office.sandbox.requests()
    return sum(row["count"] for row in rows if (row["service"], row["method"]) == ("airtable", method))


def test_a_row_plans_a_window_and_is_told_what_becomes_of_posts(office: Office) -> None:
    account = office.account("1")
    office.post(account, "moved", 3 * HOUR_S)
    office.post(account, "held", 3 * HOUR_S, **{"In maintenance": "Hold"})
    row = planned(office)
    office.tick()
    assert told(office, row) == (
        "Planned",
        "2 posts are due inside: 1 moved to its end, 1 held until a person asks for them again.",
    )
    cells = office.told()
    assert cells["x @user1: moved"]["State"] == "Ready"
    assert cells["x @user1: moved"]["Message"].startswith("moved by maintenance of everything until ")
    assert cells["x @user1: held"]["State"] == "On hold"
    assert cells["x @user1: held"]["Message"].startswith("held by maintenance of everything from ")
    [window] = windows(office)
    assert (window.author, window.record_id) == ("a person in Airtable", row)


def test_a_row_for_accounts_stops_those_alone(office: Office) -> None:
    ours, theirs = office.account("1"), office.account("2")
    office.post(ours, "ours", 3 * HOUR_S)
    office.post(theirs, "theirs", 3 * HOUR_S)
    planned(office, Where=None, Accounts=[ours])
    office.tick()
    assert [window.targets for window in windows(office)] == [("account:x:1",)]
    assert [row.fire_ms > row.due_ms for row in office.rows()] == [True, False]


def test_a_row_that_is_changed_called_off_or_deleted_gives_posts_back(office: Office) -> None:
    office.post(office.account("1"), due_in_s=3 * HOUR_S)
    row = planned(office)
    office.tick()
    office.change("Maintenance", row, Until=instant(2.5 * HOUR_S))
    tick(office)
    assert office.one().fire_ms == office.one().due_ms
    office.change("Maintenance", row, Until=instant(4 * HOUR_S))
    tick(office)
    assert office.one().fire_ms > office.one().due_ms
    office.change("Maintenance", row, **{"Called off": True})
    tick(office)
    assert office.one().fire_ms == office.one().due_ms
    assert told(office, row) == ("Called off", "By a person in Airtable.")
    other = planned(office)
    tick(office)
    assert office.one().fire_ms > office.one().due_ms
    office.api().table(BASE, "Maintenance").delete(other)
    tick(office)
    assert office.one().fire_ms == office.one().due_ms


def test_a_row_that_is_half_filled_in_plans_nothing_and_says_what_it_lacks(office: Office) -> None:
    row = planned(office, Until=None, Where=None)
    office.add("Maintenance")
    office.tick()
    state, message = told(office, row)
    assert state == "Not planned"
    assert "Until: is empty" in message
    assert "Where: and 'Accounts' are both empty" in message
    assert windows(office) == []


def test_a_row_that_is_no_longer_understood_keeps_what_it_planned(office: Office) -> None:
    office.post(office.account("1"), due_in_s=3 * HOUR_S)
    row = planned(office)
    office.tick()
    office.change("Maintenance", row, Until=None)
    tick(office)
    state, message = told(office, row)
    assert state == "Planned"
    assert "Until that is mended it stays as it was planned before. 1 post is due inside" in message
    assert office.one().fire_ms > office.one().due_ms


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"Where": "X", "Accounts": "one"}, "Where: and 'Accounts' are both filled"),
        ({"Until": instant(1.5 * HOUR_S)}, "until: it must be later than from"),
        ({"Until": instant(40 * 24 * HOUR_S)}, "until: a window lasts 31 days"),
    ],
)
def test_a_row_that_cannot_be_says_why(office: Office, cells: dict[str, Any], says: str) -> None:
    if "Accounts" in cells:
        cells = {**cells, "Accounts": [office.account("1")]}
    row = planned(office, **cells)
    office.tick()
    assert (told(office, row)[0], says in told(office, row)[1]) == ("Not planned", True)


def test_the_table_costs_one_call_and_its_rows_are_told_once(office: Office) -> None:
    planned(office)
    tick(office)
    assert calls(office, "PATCH") == 1
    counts = [calls(office, "GET")]
    for but in ("airtable:maintenance", ""):
        tick(office, but)
        counts.append(calls(office, "GET"))
    without, with_it = counts[1] - counts[0], counts[2] - counts[1]
    assert with_it == without + 1
    assert calls(office, "PATCH") == 1, "what it says already is not written"


def test_a_base_without_the_table_and_the_field_does_no_harm(office: Office) -> None:
    strip(office.api(), "Maintenance", "In maintenance")
    office.post(office.account("1"), due_in_s=3 * HOUR_S)
    office.tick()
    tick(office)
    assert office.one().state == State.SCHEDULED
    assert office.incidents() == set()


def strip(api: Api, table: str, field: str) -> None:
    """Make the base as it was before there was maintenance: people may rename what they do not know."""
    url = api.base(BASE).urls.tables
    for item in api.get(url)["tables"]:
        if item["name"] == table:
            api.patch(f"{url}/{item['id']}", json={"name": "Something else"})
        for each in item["fields"]:
            if each["name"] == field:
                api.patch(f"{url}/{item['id']}/fields/{each['id']}", json={"name": "Something"})


def test_readings_keep_to_a_share_of_the_months_calls(office: Office) -> None:
    def due(after_s: float, value: str = "", calls: int = 0) -> bool:
        settings = replace(office.settings, airtable_monthly_calls=calls)
        with office.ledger.begin() as connection:
            marks.mark(connection, 1_000_000, "airtable:maintenance", value)
            return is_due(connection, 1_000_000 + int(after_s * 1000), settings)

    assert [due(EVERY_S / 2), due(EVERY_S)] == [False, True]
    assert [due(EVERY_S, "none"), due(ABSENT_EVERY_S, "none")] == [False, True]
    assert [due(EVERY_S, calls=100_000), due(1300, calls=100_000)] == [False, True]


def test_cells_of_any_kind_become_problems_and_never_an_error() -> None:
    for value in (7, True, ["x"], {"a": 1}, "soon", "\x00", None):
        names = ("Reason", "From", "Until", "Where", "Accounts", "Posts inside", "Called off", "State")
        record = {"id": "rec1", "fields": dict.fromkeys(names, value)}
        assert maintenance_row(record, Mapping()).problems
