"""Each check, by breaking what it looks at and mending it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.stack import free_port
from schedulo.delivery import breakers
from schedulo.delivery.breakers import Stumble
from schedulo.delivery.commits import Intent, Outcome, fence, settle
from schedulo.delivery.holds import Scope, set_hold
from schedulo.delivery.moved import settle as settle_windows
from schedulo.delivery.quotas import Said, hear
from schedulo.delivery.stops import resume, stop
from schedulo.delivery.windows import Fate, Wanted, plan
from schedulo.errors.kinds import Actor, Kind
from schedulo.health.checks import CHECKS, Check, run
from schedulo.health.findings import Finding, Limits, Means, Status, worst
from schedulo.health.inside import WATCHED, WORKFLOWS, percentile
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, credentials, deliveries, holds, marks, outbox
from schedulo.model import State, WriteState
from schedulo.vault import Vault
from tests.schedulo.health.conftest import VAULT_KEY, House, reds

GREEN, YELLOW, RED, UNKNOWN = Status.GREEN, Status.YELLOW, Status.RED, Status.UNKNOWN


def test_where_all_is_well_every_check_is_green(house: House) -> None:
    found = house.look()
    assert {name: item.sentence for name, item in found.items() if item.status is not GREEN} == {}
    assert set(found) == {
        "ledger",
        "ledger_clock",
        "queue",
        "stuck",
        "outages",
        "holds",
        "processing",
        "outbox",
        "lateness",
        "quotas",
        "logins",
        "watch",
        "mode",
        "airtable",
        "airtable_schema",
        "airtable_changes",
        "platform:instagram",
        "platform:x",
        "network",
        "clock",
        "airflow",
        "airflow:metadatabase",
        "airflow:scheduler",
        "airflow:dag_processor",
        "airflow:triggerer",
        "media_store",
        "media_url",
        "disk",
        "airflow_database",
        *(f"workflow:{workflow.dag_id}" for workflow in WORKFLOWS),
    }


def test_the_worst_colour_of_what_is_known_counts() -> None:
    assert worst([GREEN, UNKNOWN]) is GREEN
    assert worst([GREEN, YELLOW, UNKNOWN]) is YELLOW
    assert worst([YELLOW, RED, GREEN]) is RED


@pytest.mark.parametrize(
    ("limits", "green", "yellow", "red"), [(Limits(2, 5, "s"), 1.9, 2, 5), (Limits(10, 4, "MB"), 10.1, 10, 4)]
)
def test_a_limit_is_where_the_colour_begins(limits: Limits, green: float, yellow: float, red: float) -> None:
    assert [limits.status(value) for value in (green, yellow, red)] == [GREEN, YELLOW, RED]


def test_a_check_that_breaks_is_named_and_costs_the_others_nothing(house: House) -> None:
    def broken(means: Means) -> list[Finding]:
        raise ZeroDivisionError("secret")

    report = run(house.means, [*CHECKS, Check("sums", broken, "sums")])
    assert [name for name, _ in report.broken] == ["sums"]
    found = {item.name: item for item in report.findings}
    assert (found["sums"].status, found["airtable"].status) == (UNKNOWN, GREEN)
    assert "ZeroDivisionError" in found["sums"].sentence
    assert "secret" not in found["sums"].sentence


def test_what_is_not_to_count_is_left_out_and_a_name_that_means_nothing_is_told(house: House) -> None:
    house.front.media_status = 404
    house.front.parts["triggerer"] = None
    house.set(health_skip="media_url, airflow")
    found = house.look()
    assert reds(found) == []
    assert not {"media_url", "airflow", "airflow:triggerer"} & set(found)
    house.set(health_skip="media_url, airflow, wether")
    found = house.look()
    assert found["skip"].status is YELLOW
    assert "'wether'" in found["skip"].sentence


# --- the ledger -------------------------------------------------------------------------------------------


def test_without_the_ledger_what_it_knows_is_not_asked_for_and_its_address_is_not_told(house: House) -> None:
    lost = Ledger(f"postgresql://schedulo:sesame@127.0.0.1:{free_port()}/ledger")
    there, house.means = house.means, replace(house.means, ledger=lost)
    found = house.look()
    assert reds(found) == ["ledger"]
    assert "queue" not in found
    assert found["airtable"].status is GREEN
    assert "sesame" not in found["ledger"].sentence
    house.means = there
    assert reds(house.look()) == []


def test_a_ledger_of_another_schema_is_red_and_says_what_to_do(house: House, tmp_path: Path) -> None:
    house.means = replace(house.means, ledger=Ledger(f"sqlite:///{tmp_path / 'empty.db'}"))
    assert "schedulo db upgrade" in house.look()["ledger"].sentence


# --- the queue --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overdue_s", "status"), [(5, GREEN), (70, YELLOW), (200, RED)])
def test_a_post_that_is_due_and_not_out(house: House, overdue_s: float, status: Status) -> None:
    house.delivery(State.SCHEDULED, overdue_s)
    found = house.look()["queue"]
    assert found.status is status
    assert found.numbers["posts"] == 1
    assert found.value == pytest.approx(overdue_s, abs=20)


def test_the_oldest_of_the_queue_is_named(house: House) -> None:
    house.delivery(State.CLAIMED, 200)
    house.delivery(State.SCHEDULED, 400)
    assert "2 posts are due and not out, the oldest (X Acme: post 1)" in house.look()["queue"].sentence


def test_what_is_held_not_ready_or_not_due_is_not_late(house: House) -> None:
    house.delivery(State.HELD, 300)
    house.delivery(State.SCHEDULED, 300, ready=False)
    house.delivery(State.SCHEDULED, -300)
    house.delivery(State.SCHEDULED, 300, account="instagram:2")
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        set_hold(connection, now_ms, "platform", "instagram", "for a test", "somebody")
    assert house.look()["queue"].status is GREEN


def test_what_maintenance_stops_is_not_overdue_nor_what_it_moved(house: House) -> None:
    house.delivery(State.CLAIMED, 300)
    moved = house.delivery(State.SCHEDULED, 300, not_after_ms=now_ms(house) + 3_400_000)
    with house.ledger.begin() as connection:
        now = house.ledger.now_ms(connection)
        wanted = Wanted(("everything",), now - 600_000, now + 60_000, Fate.MOVE, "new database")
        plan(connection, now, wanted, "ann")
        assert settle_windows(connection, now, 3_600_000) == {moved}
    assert house.look()["queue"].status is GREEN


@pytest.mark.parametrize(("state", "name"), [(State.SENDING, "stuck"), (State.PROCESSING, "processing")])
def test_what_is_sent_and_not_known_for_long(house: House, state: State, name: str) -> None:
    id_ = house.delivery(state, 60)
    assert house.look()[name].status is GREEN
    for hours, status in ((1, YELLOW if name == "processing" else RED), (25, RED)):
        with house.ledger.begin() as connection:
            at_ms = house.ledger.now_ms(connection) - int(hours * 3_600_000)
            connection.execute(sa.update(deliveries).where(deliveries.c.id == id_).values(sent_ms=at_ms))
        assert house.look()[name].status is status


def test_a_test_mode_is_yellow_and_a_ledger_of_another_mode_is_red(house: House) -> None:
    assert house.look()["mode"].status is GREEN
    house.set(mode="nothing")
    found = house.look()
    assert (found["mode"].status, found["mode"].sentence[:10]) == (YELLOW, "Test mode:")
    assert not [name for name in found if name.startswith("platform:")], "no platform is asked"
    house.set(mode="sandbox", sandbox_url=house.sandbox.url)
    assert house.look()["mode"].status is RED, "it was live before"


def test_what_airtable_was_not_told_for_long(house: House) -> None:
    for minutes, status in ((1, GREEN), (6, YELLOW), (31, RED)):
        with house.ledger.begin() as connection:
            at_ms = house.ledger.now_ms(connection) - minutes * 60_000
            connection.execute(sa.delete(outbox))
            connection.execute(sa.insert(outbox).values(key="d0", changed_ms=at_ms))
        assert house.look()["outbox"].status is status


def test_what_people_hold_is_seen_by_who_looks_and_alarms_nobody(house: House) -> None:
    with house.ledger.begin() as connection:
        stop(connection, now_ms(house), "account:x:1", "wrong prices", "Ada")
    found = house.look()["holds"]
    assert found.status is GREEN
    assert "account:x:1 is held by Ada since " in found.sentence
    with house.ledger.begin() as connection:
        stop(connection, now_ms(house), "everything", "fire drill", "Ben")
    found = house.look()["holds"]
    assert (found.status, found.numbers) == (YELLOW, {"holds": 2})
    assert found.sentence.startswith("everything is held by Ben since ")
    assert "fire drill. account:x:1 is held by Ada" in found.sentence
    with house.ledger.begin() as connection:
        resume(connection, now_ms(house), "everything", "Ben")
        resume(connection, now_ms(house), "account:x:1", "Ada")
        set_hold(connection, now_ms(house), Scope.ACCOUNT, "x:1", "refused", "schedulo", None, "reconnect")
    assert house.look()["holds"].sentence == "Nobody holds anything."


def test_lateness_is_that_of_the_last_hour_counted_from_the_second_a_post_was_let_go(house: House) -> None:
    for late_ms in (10, 20, 30, 40):
        let_go(house, house.delivery(State.ARMED, 0), late_ms)
    # Held for long, then let go and on time; and one of yesterday.
    let_go(house, house.delivery(State.ARMED, 9000, fire_ms=now_ms(house) - 1000), 50)
    house.delivery(State.PUBLISHED, 90_000, accepted_ms=now_ms(house) - 80_000_000)
    found = house.look()["lateness"]
    assert found.numbers == {"p50": 0.03, "p90": 0.05, "p99": 0.05, "posts": 5}
    assert found.status is GREEN
    let_go(house, house.delivery(State.ARMED, 100), 100_000)
    assert house.look()["lateness"].status is RED


def let_go(house: House, id_: str, late_ms: int) -> None:
    """Send it, as a process that holds it does, and let its platform take it so late."""
    with house.ledger.begin() as connection:
        at_ms = house.ledger.now_ms(connection)
        values = {"holder": "me", "armed_version": 1, "not_after_ms": at_ms + 3_600_000}
        connection.execute(sa.update(deliveries).where(deliveries.c.id == id_).values(**values))
        fire_ms = connection.execute(
            sa.select(deliveries.c.fire_ms).where(deliveries.c.id == id_)
        ).scalar_one()
        intent = Intent(f"w-{id_}", id_, "tweet", "me", {}, {}, True, 35_000)
        assert fence(connection, at_ms, 250, [intent]) != [None]
        answer = Outcome(intent.write_id, WriteState.ACCEPTED, "taken", answered_ms=fire_ms + late_ms)
        assert settle(connection, at_ms, [answer]) == [State.PUBLISHED]


def now_ms(house: House) -> int:
    with house.ledger.read() as connection:
        return house.ledger.now_ms(connection)


def test_a_percentile_is_a_value_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (50, 90, 99)] == [50.0, 90.0, 99.0]
    assert [percentile([7.0], share) for share in (50, 99)] == [7.0, 7.0]


# --- workflows --------------------------------------------------------------------------------------------


def test_publishing_that_has_not_run_for_two_minutes_is_red(house: House) -> None:
    name = "workflow:publish_due_posts"
    for seconds, status in ((60, GREEN), (100, YELLOW), (125, RED), (0, GREEN)):
        house.ran(seconds, "publish_due_posts")
        assert house.look()[name].status is status


def test_what_only_counts_is_never_red(house: House) -> None:
    house.ran(90 * 86_400, "collect_analytics", "read_numbers", "summarise_week")
    found = house.look()
    assert reds(found) == []
    assert found["workflow:collect_analytics"].status is YELLOW
    assert "paused" in found["workflow:collect_analytics"].sentence


def test_what_never_ran_is_silent_since_the_first_check(house: House) -> None:
    house.check()
    with house.ledger.begin() as connection:
        connection.execute(sa.delete(marks).where(marks.c.name.like("ran:%")))
    assert house.look()["workflow:summarise_week"].status is GREEN
    with house.ledger.begin() as connection:
        old = house.ledger.now_ms(connection) - 9 * 86_400_000
        connection.execute(sa.update(marks).where(marks.c.name == "health:begun").values(at_ms=old))
    found = house.look()
    assert found["workflow:summarise_week"].status is YELLOW
    assert found["workflow:handle_incidents"].status is RED


# --- logins -----------------------------------------------------------------------------------------------


def test_an_account_without_a_login_is_red_as_soon_as_a_post_is_planned_for_it(house: House) -> None:
    house.account("x:3", login=False)
    found = house.look()["logins"]
    assert (found.status, found.actor) == (YELLOW, Actor.OWNER)
    assert "Acme 3 (x:3)" in found.sentence
    house.delivery(State.SCHEDULED, -3600, account="x:3")
    assert house.look()["logins"].status is RED
    Vault(house.ledger, VAULT_KEY).put({"x:3": {"access_token": "t"}})
    assert house.look()["logins"].status is GREEN


def test_a_login_in_a_connection_is_one_too_and_an_account_out_of_use_needs_none(house: House) -> None:
    house.account("x:3", login=False)
    house.account("x:4", login=False)
    house.means = replace(house.means, with_token=frozenset({"x:3"}))
    with house.ledger.begin() as connection:
        connection.execute(sa.update(accounts).where(accounts.c.key == "x:4").values(active=False))
    assert house.look()["logins"].status is GREEN


def test_a_login_that_was_refused_is_red_and_told_by_its_hold(house: House) -> None:
    with house.ledger.begin() as connection:
        row = {"id": "h", "scope": "account", "key": "x:1", "reason": "refused", "author": "schedulo"}
        connection.execute(sa.insert(holds).values(**row, error_kind="reconnect", from_ms=0))
    found = house.look()["logins"]
    assert (found.status, found.told) == (RED, True)


@pytest.mark.parametrize("end", ["expires_ms", "data_access_ms", "refresh_expires_ms"])
def test_a_login_that_has_ended_is_red_before_a_post_meets_it(house: House, end: str) -> None:
    with house.ledger.begin() as connection:
        connection.execute(
            sa.update(credentials).where(credentials.c.account_key == "x:1").values({end: 1000})
        )
    found = house.look()["logins"]
    assert (found.status, found.told) == (RED, False)
    assert "ended of Acme 1 (x:1)" in found.sentence


def test_a_vault_that_cannot_be_opened_is_red(house: House) -> None:
    house.set(vault_key="")
    assert "SCHEDULO_VAULT_KEY" in house.look()["logins"].sentence
    house.set(vault_key="bm90IHRoZSBrZXkgdGhhdCBjbG9zZWQgdGhlc2UgLi4=")
    assert "another SCHEDULO_VAULT_KEY" in house.look()["logins"].sentence


def test_a_quota_of_which_four_fifths_are_used_is_yellow_and_named(house: House) -> None:
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        hear(connection, now_ms, [Said("x:1", "posts_day", 20, 15), Said("x:1", "posts", 100, 99)])
    assert house.look()["quotas"].status is GREEN, "what is full for minutes comes and goes"
    with house.ledger.begin() as connection:
        hear(connection, now_ms, [Said("x:1", "posts_day", 20, 17)])
    found = house.look()["quotas"]
    assert (found.status, found.value) == (YELLOW, 85.0)
    assert "17 of 20 posts within 24 hours" in found.sentence


@pytest.mark.parametrize(("seconds", "status"), [(599, GREEN), (601, RED)])
def test_a_watch_that_has_stopped_is_missed(house: House, seconds: float, status: Status) -> None:
    house.ran(seconds)
    assert house.look()["watch"].status is status


def test_a_watch_that_was_never_started_costs_no_post(house: House) -> None:
    with house.ledger.begin() as connection:
        connection.execute(sa.delete(marks).where(marks.c.name == WATCHED))
    finding = house.look()["watch"]
    assert (finding.status, finding.sentence.startswith("schedulo watch was never started")) == (YELLOW, True)


def test_a_platform_that_fails_for_everyone_is_red_and_told_by_its_own_incident(house: House) -> None:
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        met = [Stumble(f"d{number}", f"x:{number}", Kind.NETWORK) for number in range(3)]
        breakers.stumbled(connection, now_ms, met)
        breakers.tend(connection, now_ms, house.means.settings)
    found = house.check()["outages"]
    assert (found.status, found.numbers) == (Status.RED, {"held": 1})
    assert "X fails for everyone for 0 seconds: its posts wait, it is asked again at " in found.sentence
    assert house.open() == ["outage:x"]
    with house.ledger.begin() as connection:
        breakers.let_go(connection, now_ms, "x", house.means.settings)
    assert house.check()["outages"].status is Status.YELLOW
