"""What all processes ask of one base together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.airtable.pace import SharedPace, calls_of_month
from schedulo.errors.airtable import AirtableBusy
from schedulo.ledger.database import Ledger
from schedulo.ledger.quotas import airtable_bases

BASE = "appSHARED"


def slots(pace: SharedPace, count: int) -> list[float]:
    return [pace.take(60.0, metered=True).wait_s for _ in range(count)]


def calls(ledger: Ledger) -> dict[str, int]:
    with ledger.read() as connection:
        return calls_of_month(connection, ledger.now_ms(connection))


def test_callers_that_know_nothing_of_each_other_get_slots_one_after_another(ledger: Ledger) -> None:
    mine, theirs, other = (SharedPace(ledger, base, 2) for base in (BASE, BASE, "appOTHER"))
    first = slots(mine, 3)
    second = slots(theirs, 3)
    assert first[0] == 0
    assert second[0] >= 1.5 - 0.4, "the fourth of two a second"
    assert second[2] > first[2] + 1.0
    assert slots(other, 1) == [0.0], "another base has its own"


def test_a_slot_that_comes_too_late_is_not_taken(ledger: Ledger) -> None:
    pace = SharedPace(ledger, BASE, 1)
    slots(pace, 30)
    late = pace.take(5.0, metered=True)
    assert not late.taken
    assert late.wait_s > 20
    assert calls(ledger) == {BASE: 30}
    assert pace.take(60.0, metered=True).wait_s < late.wait_s + 1


def test_what_does_not_count_for_the_plan_is_not_counted_and_a_new_month_begins_at_nothing(
    ledger: Ledger,
) -> None:
    pace = SharedPace(ledger, BASE, 4)
    slots(pace, 3)
    pace.take(60.0, metered=False)
    assert calls(ledger) == {BASE: 3}
    with ledger.begin() as connection:
        connection.execute(sa.update(airtable_bases).values(month="2020-01"))
    assert calls(ledger) == {}
    slots(pace, 1)
    assert calls(ledger) == {BASE: 1}


def test_a_base_that_locks_one_process_out_is_left_alone_by_all(base: Any, ledger: Ledger) -> None:
    client, other = (base.client(pace=SharedPace(ledger, base.base_id, 4)) for _ in range(2))
    base.sandbox.fault(service="airtable", mode="rate_limit")
    with client.within(5), pytest.raises(AirtableBusy):
        client.accounts()
    with other.within(5), pytest.raises(AirtableBusy) as caught:
        other.accounts()
    assert 20 < (caught.value.wait_s or 0) <= 30
    assert other.calls.count == 0


def test_a_ledger_that_is_away_keeps_no_call_waiting(base: Any, tmp_path: Any) -> None:
    nowhere = Ledger(f"sqlite:///{tmp_path / 'empty.db'}")  # there, and without a schema
    client = base.client(pace=SharedPace(nowhere, base.base_id, 4))
    assert client.accounts() == []
    nowhere.close()


@pytest.mark.postgres
def test_a_process_that_froze_with_the_bases_row_in_hand_keeps_no_call_waiting(fresh_postgres: str) -> None:
    ledger = Ledger(fresh_postgres)
    ledger.migrate()
    pace = SharedPace(ledger, BASE, 1)
    slots(pace, 2)
    with ledger.begin() as frozen:
        frozen.execute(sa.update(airtable_bases).values(calls=0))
        began = time.monotonic()
        slot = pace.take(60.0, metered=True)
        assert (slot.taken, slot.wait_s) == (True, 0.0), "as where the ledger is away"
        pace.lock(30.0)
        assert time.monotonic() - began < 30
    ledger.close()


CALLER = """
import sys
from pyairtable import Api
from schedulo.airtable.calls import Calls
from schedulo.airtable.pace import SharedPace
from schedulo.ledger.database import Ledger

url, endpoint, token, base, count = sys.argv[1:]
ledger = Ledger(url)
calls = Calls(Api(token, retry_strategy=None, endpoint_url=endpoint), pace=SharedPace(ledger, base, 4))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(count)):
    calls.send("GET", calls.api.table(base, "Posts").urls.records)
ledger.close()
print(calls.count)
"""


@pytest.mark.slow
def test_several_processes_at_once_never_meet_the_lock_of_the_strict_base(
    base: Any, ledger: Ledger, sandbox: RunningSandbox
) -> None:
    """Each alone would ask three times a second."""
    token = base.api().api_key
    address = ledger.url.render_as_string(hide_password=False)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CALLER, address, sandbox.service("airtable"), token, base.base_id, "8"]
    children = [
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    began = time.monotonic()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    counts = [int(child.communicate(timeout=120)[0]) for child in children]
    assert counts == [8, 8, 8, 8], "none was refused and repeated"
    assert time.monotonic() - began > 7.5, "32 calls, four a second"
    assert calls(ledger)[base.base_id] == 32
