"""The post by which Schedulo tries itself: out once, by the way of all posts, and nobody else's business."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from schedulo.airtable.client import AirtableClient
from schedulo.analytics.dimensions import catch_up
from schedulo.clock import now_ms
from schedulo.delivery.self_tests import PREFIX
from schedulo.health.daily import self_test
from schedulo.health.findings import Finding, Means, Status
from schedulo.ledger.tables import deliveries, outbox
from schedulo.ledger.warehouse import warehouse_of
from schedulo.model import State
from schedulo.planning.self_test import SelfTestError, plan_self_test
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.ending import End
from schedulo.settings import Settings, SettingsError
from tests.schedulo.planning.conftest import Office
from tests.schedulo.publishing.stage import PATIENT


@pytest.fixture
def tried(office: Office) -> Office:
    """An office with an account for tests, which nobody writes for, and another one with a post."""
    office.settings = replace(office.settings, self_test_account="x:7", horizon_s=180.0, **PATIENT)
    office.stage().seed_x("7", "1")
    office.account("7")
    office.post(office.account("1"), "a person's", due_in_s=3000)
    office.tick()
    return office


def plan(office: Office, lead_s: float = 1.5) -> str:
    return plan_self_test(office.ledger, CONVERSATIONS, office.settings, lead_s)


def ours(office: Office) -> list[object]:
    return [row for row in office.rows() if row.post_id.startswith(PREFIX)]


def finding(office: Office) -> Finding | None:
    def nobody() -> AirtableClient:
        raise AssertionError("Airtable is not asked")

    found = list(self_test(Means(office.ledger, office.settings, nobody, {}, "")))
    return found[0] if found else None


def publish(office: Office) -> End:
    """A tick claims what is due, and a publisher works on it."""
    claims = office.tick()
    assert len(claims) == 1
    stage = office.stage()
    try:
        ending = stage.publisher(settings=office.settings).work_on(f"run-{office.runs}", 0, "ti").result(60)
        assert ending is not None
        return ending.end
    finally:
        stage.close()


def test_it_goes_out_once_by_the_way_of_all_posts_and_airtable_hears_nothing_of_it(tried: Office) -> None:
    assert finding(tried) == Finding(
        "self_test", Status.GREEN, "None was made yet; maintain makes one a day."
    )
    assert "is due in 2 seconds" in plan(tried, 2)
    assert publish(tried) is End.SUCCESS
    [row] = ours(tried)
    [post] = tried.sandbox.posts()
    assert post["text"].startswith("Schedulo's self-test of ")
    assert (row.state, row.permalink is not None) == (State.PUBLISHED, True)
    assert "planned already: it is published" in plan(tried)
    for _ in range(2):
        tried.tick()
    assert len(tried.sandbox.posts()) == 1
    assert list(tried.told()) == ["x @user1: a person's"]
    with tried.ledger.read() as connection:
        waiting = sa.select(outbox.c.key).where(outbox.c.version > outbox.c.told_version)
        assert connection.execute(waiting).scalars().all() == []
    found = finding(tried)
    assert found is not None
    assert row.permalink in found.sentence


def test_no_number_and_no_report_counts_it(tried: Office) -> None:
    plan(tried)
    [row] = ours(tried)
    with tried.ledger.begin() as connection:
        out = {"state": State.PUBLISHED, "remote_id": "1", "accepted_ms": now_ms(), "published_ms": now_ms()}
        connection.execute(sa.update(deliveries).where(deliveries.c.id == row.id).values(**out))
    catch_up(tried.ledger, now_ms())
    with tried.ledger.read() as connection:
        assert connection.execute(sa.select(warehouse_of(connection).posts.c.post_key)).all() == []


def test_one_that_does_not_get_out_is_red_and_told_once(tried: Office) -> None:
    tried.sandbox.fault(service="x", method="POST", route="create_post", mode="status:400", times=5)
    plan(tried, 2)
    assert publish(tried) is End.FAILED
    [row] = ours(tried)
    with tried.ledger.begin() as connection:
        past = {"due_ms": row.due_ms - 400_000}
        connection.execute(sa.update(deliveries).where(deliveries.c.id == row.id).values(**past))
    found = finding(tried)
    assert found is not None
    assert (found.status, found.told) == (Status.RED, True)  # its incident says why, and is the only one
    assert "failed" in found.sentence
    assert "is due in" in plan(tried, 100)  # again by hand, as a person may
    found = finding(tried)
    assert found is not None
    assert found.status is Status.GREEN


def test_one_that_nobody_sends_is_red_by_itself_and_an_old_one_says_nothing_of_today(tried: Office) -> None:
    plan(tried)
    [row] = ours(tried)
    for minutes, status in ((4, Status.GREEN), (6, Status.RED), (27 * 60, Status.YELLOW)):
        past = int(time.time() * 1000) - minutes * 60_000
        with tried.ledger.begin() as connection:
            statement = sa.update(deliveries).where(deliveries.c.id == row.id).values(due_ms=past)
            connection.execute(statement)
        found = finding(tried)
        assert found is not None
        assert (found.status, found.told) == (status, False)


def test_an_older_one_that_is_not_out_gives_way(tried: Office) -> None:
    plan(tried)
    [row] = ours(tried)
    older = {"id": "older", "post_id": f"{PREFIX}2026-01-01", "state": State.FAILED}
    with tried.ledger.begin() as connection:
        connection.execute(sa.insert(deliveries).values(**{**row._mapping, **older}))
    plan(tried)
    states = {row.id: row.state for row in ours(tried)}
    assert states == {"older": State.CANCELLED, row.id: State.SCHEDULED}


def test_an_account_that_people_post_on_is_never_tried(tried: Office) -> None:
    tried.settings = replace(tried.settings, self_test_account="x:1")
    with pytest.raises(SelfTestError, match=r"x:1.*posts of people are planned on it"):
        plan(tried)
    tried.settings = replace(tried.settings, self_test_account="x:404")
    with pytest.raises(SelfTestError, match=r"x:404.*must be an account that is in use"):
        plan(tried)
    assert ours(tried) == []


def test_where_no_account_is_set_nothing_is_looked_at(office: Office) -> None:
    assert finding(office) is None


@pytest.mark.parametrize("key", ["123", "x", "instagram:1", "tiktok:1", "x:"])
def test_a_setting_that_names_no_account_for_a_text_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="SCHEDULO_SELF_TEST_ACCOUNT"):
        Settings(self_test_account=key)
