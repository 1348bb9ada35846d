"""What people change in a base is heard once, and what we write ourselves is not heard at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.airtable.changes import read_changes, webhook_of
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import Update
from schedulo.airtable.schema import ACCOUNTS, DELIVERIES, MAINTENANCE, MENTIONS, POSTS
from schedulo.airtable.webhooks import Changes, Told, Webhooks, is_ours, specification
from schedulo.clock import iso
from schedulo.errors.airtable import AirtableBusy, AirtableDown
from schedulo.ledger.database import Ledger
from schedulo.ledger.listening import airtable_webhooks
from schedulo.ledger.marks import mark, read
from tests.schedulo.airtable.conftest import OneBase

DAY_S = 86_400


@dataclass
class Ear:
    """A base that is listened to, and what was remembered of it."""

    base: OneBase
    ledger: Ledger
    client: AirtableClient
    remembered: list[Changes] = field(default_factory=list)

    def listen(self) -> str:
        """Make a webhook and enter it, as `keep` does."""
        webhooks = Webhooks(self.client)
        watched = webhooks.watched()
        made = webhooks.make(watched, "")
        row = {"base_id": self.base.base_id, "webhook_id": made.id, "watched": watched, "cursor": 1}
        with self.ledger.begin() as connection:
            connection.execute(sa.delete(airtable_webhooks))
            connection.execute(sa.insert(airtable_webhooks).values(**row))
        return made.id

    def hear(self) -> Changes | None:
        def remember(connection: sa.Connection, now_ms: int, changes: Changes) -> None:
            mark(connection, now_ms, "heard", str(len(self.remembered)))
            self.remembered.append(changes)

        return read_changes(self.client, self.ledger, remember)

    @property
    def row(self) -> Any:
        return webhook_of(self.ledger, self.base.base_id)


@pytest.fixture
def ear(base: OneBase, ledger: Ledger) -> Ear:
    return Ear(base, ledger, base.client())


def test_edits_of_people_and_of_the_app_on_top_are_heard_each_once(ear: Ear) -> None:
    ear.listen()
    post, other = ear.base.add(POSTS, {"Title": "One"}, {"Title": "Two"})
    (account,) = ear.base.add(ACCOUNTS, {"Name": "North"})
    changes = ear.hear()
    assert changes is not None
    assert (changes.posts, changes.accounts, changes.deliveries) == ({post, other}, {account}, frozenset())
    assert changes == Changes(changes.posts, changes.accounts)
    assert not ear.hear(), "nothing is heard twice"
    ear.base.change(POSTS, post, {"Status": "Ready"})
    ear.base.delete(POSTS, other)
    ear.base.add(MENTIONS, {"Name": "Cafe"})
    changes = ear.hear()
    assert changes is not None
    assert changes.posts == {post, other}
    assert changes.others
    assert len(ear.remembered) == 2
    assert ear.row.cursor == 6
    assert ear.row.changed_ms is not None


@pytest.mark.parametrize("rows", ["whole", "cells"])
def test_what_we_write_ourselves_is_not_heard(ear: Ear, rows: str) -> None:
    ear.base.sandbox.switch(airtable_watched_rows=rows)
    post = ear.base.add(POSTS, {"Title": "One"})[0]
    account = ear.base.add(ACCOUNTS, {"Name": "North"})[0]
    window = ear.base.add(MAINTENANCE, {"Reason": "Works"})[0]
    ear.listen()
    cells = {"Delivery": "One, North", "Key": "k", "Post": [post], "Account": [account], "State": "Scheduled"}
    row = ear.base.add(DELIVERIES, cells)[0]
    ear.base.change(DELIVERIES, row, {"State": "Published", "Message": "It is out", "Likes": 3})
    ear.client.write_cells(ACCOUNTS, [Update(account, account, {"Followers": 12})])
    ear.client.write_cells(MAINTENANCE, [Update(window, window, {"State": "Planned"})])
    assert ear.hear() == Changes()
    assert ear.remembered == []
    ear.base.change(DELIVERIES, row, {"Cancel requested at": iso(1_800_000_000_000)})
    assert ear.hear() == Changes(deliveries=frozenset({row}))
    ear.base.delete(DELIVERIES, row)
    assert ear.hear() == Changes(), "a row of ours that people delete stays deleted"


def test_a_base_with_names_of_its_own_is_heard_as_well(
    make_base: Callable[..., OneBase], ledger: Ledger
) -> None:
    names = Mapping(tables={"Posts": "Calendar"}, fields={"Posts": {"Text": "Copy"}})
    base = make_base(names)
    ear = Ear(base, ledger, base.client())
    ear.listen()
    post = base.add(POSTS, {"Copy": "Hello"})[0]
    assert ear.hear() == Changes(posts=frozenset({post}))


def test_a_field_that_comes_or_is_renamed_is_told_and_looked_after(ear: Ear) -> None:
    ear.listen()
    with ear.ledger.begin() as connection:
        connection.execute(sa.update(airtable_webhooks).values(next_ms=2**50))
    url = ear.client.calls.api.base(ear.base.base_id).urls.tables
    body = {"name": "Notes", "type": "singleLineText"}
    ear.client.calls.send("POST", f"{url}/{ear.row.watched[POSTS]['id']}/fields", json=body)
    assert ear.hear() == Changes(schema_changed=True)
    assert ear.row.next_ms == 0


def test_more_than_a_page_is_heard_page_by_page(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedulo.airtable.webhooks.PAGE", 3)
    ear.listen()
    ids = {ear.base.add(POSTS, {"Title": str(number)})[0] for number in range(5)}
    first, second = ear.hear(), ear.hear()
    assert first is not None
    assert second is not None
    assert (first.more, second.more) == (True, False)
    assert first.posts | second.posts == ids
    assert ear.row.cursor == 6


def test_what_was_not_remembered_is_heard_again(ear: Ear) -> None:
    ear.listen()
    post = ear.base.add(POSTS, {"Title": "One"})[0]

    def fails(connection: sa.Connection, now_ms: int, changes: Changes) -> None:
        mark(connection, now_ms, "half", "written")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read_changes(ear.client, ear.ledger, fails)
    assert ear.row.cursor == 1
    with ear.ledger.read() as connection:
        assert read(connection, "half")[0] is None, "neither half of it"
    assert ear.hear() == Changes(posts=frozenset({post}))


def test_a_page_that_two_read_at_once_is_remembered_once(ear: Ear) -> None:
    ear.listen()
    ear.base.add(POSTS, {"Title": "One"})
    twin = Ear(ear.base, ear.ledger, ear.base.client())
    inner: list[Changes | None] = []
    send = ear.client.calls.send

    def overtaken(*args: Any, **options: Any) -> Any:
        answer = send(*args, **options)
        inner.append(twin.hear())
        return answer

    ear.client.calls.send = overtaken  # type: ignore[method-assign]
    assert ear.hear() == Changes(more=True)
    assert len(twin.remembered) == 1
    assert ear.remembered == []


def test_payloads_that_are_gone_or_in_error_mean_that_everything_is_to_be_read(ear: Ear) -> None:
    webhook_id = ear.listen()
    ear.base.add(POSTS, {"Title": "One"})
    ear.base.sandbox.advance(6 * DAY_S)
    Webhooks(ear.client).refresh(webhook_id)
    post = ear.base.add(POSTS, {"Title": "Two"})[0]
    ear.base.sandbox.advance(DAY_S + 3600)
    changes = ear.hear()
    assert changes is not None
    assert (changes.everything, changes.posts) == (True, {post})
    ear.base.sandbox.switch(airtable_payload_error="INTERNAL_ERROR")
    ear.base.add(POSTS, {"Title": "Three"})
    changes = ear.hear()
    assert changes is not None
    assert changes.everything
    assert ear.row.webhook_id is not None, "it hears what comes next"
    assert not ear.hear()


def test_a_webhook_that_hears_nothing_any_more_is_given_up_and_nothing_is_lost(ear: Ear) -> None:
    ear.listen()
    ear.base.sandbox.switch(airtable_payload_error="INVALID_FILTERS")
    ear.base.add(POSTS, {"Title": "One"})
    changes = ear.hear()
    assert changes is not None
    assert changes.everything
    assert (ear.row.webhook_id, ear.row.next_ms, ear.row.lost) == (None, 0, True)
    assert ear.hear() is None


def test_a_webhook_that_is_gone_is_given_up_and_one_that_does_not_answer_is_not(ear: Ear) -> None:
    webhook_id = ear.listen()
    ear.base.sandbox.fault(service="airtable", mode="status:503", route="list_payloads", times=-1)
    with pytest.raises(AirtableDown):
        ear.hear()
    ear.base.sandbox.withdraw_faults()
    ear.base.sandbox.fault(service="airtable", mode="rate_limit", route="list_payloads", times=1)
    with pytest.raises(AirtableBusy), ear.client.within(5):
        ear.hear()
    assert ear.row.webhook_id == webhook_id
    ear.base.sandbox.advance(31)
    with ear.base.client().within(30):
        Webhooks(ear.base.client()).remove(webhook_id)
        Webhooks(ear.base.client()).remove(webhook_id)
    fresh = Ear(ear.base, ear.ledger, ear.base.client())
    assert fresh.hear() is None
    assert (fresh.row.webhook_id, fresh.row.lost) == (None, True)


def test_a_base_without_a_webhook_costs_no_call(ear: Ear) -> None:
    before = ear.client.calls.count
    assert ear.hear() is None
    assert ear.client.calls.count == before


@pytest.mark.parametrize(
    "payload",
    [
        "x",
        {"changedTablesById": [1]},
        {"changedTablesById": {"tblX": None}},
        {"changedTablesById": {"tblP": {"createdRecordsById": {"rec1": {}}}}},
        {"changedTablesById": {"tblP": {"changedRecordsById": {"rec1": {"current": None}}}}},
        {"changedTablesById": {"tblP": {"destroyedRecordIds": [[]]}}},
    ],
)
def test_a_payload_of_another_shape_counts_as_a_change_that_was_missed(payload: Any) -> None:
    told = Told({POSTS: {"id": "tblP", "fields": ["fld1"]}})
    told.take(payload)
    assert told.failed
    assert not told.dead


def test_ours_are_told_from_those_of_other_programs(ear: Ear) -> None:
    ear.listen()
    webhooks = Webhooks(ear.client)
    with ear.client.within(60):
        watched = webhooks.watched()
        for filters in ({}, {"watchDataInFieldIds": watched[POSTS]["fields"]}):
            body = {"specification": {"options": {"filters": {"dataTypes": ["tableData"], **filters}}}}
            url = ear.client.calls.api.base(ear.base.base_id).urls.webhooks
            ear.client.calls.send("POST", url, json=body)
        assert [is_ours(one, watched) for one in webhooks.all()] == [True, False, False]
    assert "fromSources" not in str(specification(watched)), "an app on top of the base writes as we do"
