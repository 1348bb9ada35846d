"""The webhook by which Airtable tells changes: made, kept, replaced, removed; and what is said of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from schedulo.airtable.changes import read_changes, webhook_of
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.schema import POSTS
from schedulo.airtable.webhooks import Changes, Webhooks
from schedulo.delivery.incidents import close_what_is_over
from schedulo.delivery.listening import keep, pinged, remove, secret_of, told, too_slow
from schedulo.errors.airtable import AirtableDown, AirtableError
from schedulo.ledger.database import Ledger
from schedulo.ledger.listening import airtable_webhooks
from schedulo.ledger.tables import incidents
from schedulo.settings import Settings, SettingsError
from schedulo.vault import Vault
from tests.receivers import running_web
from tests.schedulo.airtable.conftest import TOKEN, OneBase, base, clock, make_base  # noqa: F401

DAY_S = 86_400
KEY = Fernet.generate_key().decode()
URL = "https://schedulo.example.com/schedulo/hooks/airtable"
POLL = Settings(airtable_changes="poll", vault_key=KEY)
PING = Settings(airtable_changes="ping", airtable_ping_url=URL, vault_key=KEY)
OFF = Settings(vault_key=KEY)


@dataclass
class Installation:
    """What keeps a base's webhook, with a ledger of its own."""

    base: OneBase
    ledger: Ledger
    settings: Settings = POLL
    changes: list[Changes] = field(default_factory=list)

    def keep(self, *, later: bool = False, at_once: bool = False) -> list[str]:
        """One look; `later`: when it is due again."""
        if later:
            self.write(next_ms=0)
        return keep(self.ledger, self.client(), self.settings, at_once=at_once)

    def client(self) -> AirtableClient:
        return self.base.client()

    def write(self, **values: Any) -> None:
        with self.ledger.begin() as connection:
            connection.execute(sa.update(airtable_webhooks).values(**values))

    def hear(self) -> Changes | None:
        return read_changes(
            self.client(), self.ledger, lambda _connection, _now_ms, changes: self.changes.append(changes)
        )

    @property
    def row(self) -> Any:
        return webhook_of(self.ledger, self.base.base_id)

    @property
    def there(self) -> list[str]:
        return [one.id for one in Webhooks(self.client()).all()]

    @property
    def open_incidents(self) -> list[str]:
        close_what_is_over(self.ledger)
        with self.ledger.read() as connection:
            query = sa.select(incidents.c.sentence).where(incidents.c.closed_ms.is_(None))
            return list(connection.execute(query).scalars())


@pytest.fixture
def ours(base: OneBase, ledger: Ledger) -> Installation:  # noqa: F811
    base.sandbox.switch(airtable_requests_per_s="0")  # tests move the clock back, which a limit does not know
    return Installation(base, ledger)


@pytest.fixture
def other(base: OneBase, tmp_path: Path, migrated_sqlite: Path) -> Installation:  # noqa: F811
    """One whose ledger is another: such as ours before it was lost."""
    shutil.copy(migrated_sqlite, tmp_path / "other.db")
    return Installation(base, Ledger(f"sqlite:///{tmp_path / 'other.db'}"))


def calls(ours: Installation) -> dict[str, int]:
    return {row["route"]: row["count"] for row in ours.base.sandbox.requests() if "webhook" in row["route"]}


def test_it_is_made_once_and_then_left_alone(ours: Installation) -> None:
    assert ours.keep() == ["Airtable tells changes from now on: a webhook was made"]
    assert ours.keep() == []
    assert ours.keep(later=True) == []
    assert calls(ours) == {"list_webhooks": 2, "create_webhook": 1}
    assert ours.there == [ours.row.webhook_id]
    assert ours.hear() == Changes(everything=True), "what changed before it was made is not told by it"
    assert ours.hear() == Changes()
    post = ours.base.add(POSTS, {"Title": "One"})[0]
    assert ours.hear() == Changes(posts=frozenset({post}))


def test_where_it_is_off_airtable_is_not_asked(ours: Installation) -> None:
    ours.settings = OFF
    assert ours.keep() == []
    assert ours.row is None
    assert calls(ours) == {}
    assert told(ours.ledger, ours.base.base_id, OFF).well


def test_it_is_refreshed_before_it_ends(ours: Installation) -> None:
    ours.base.sandbox.advance(-5 * DAY_S)
    ours.keep()
    first_ms = ours.row.expires_ms
    ours.base.sandbox.advance(5 * DAY_S)
    assert ours.keep(later=True) == ["Airtable's webhook lives for another seven days"]
    assert ours.row.expires_ms - first_ms > 4 * DAY_S * 1000
    assert ours.there == [ours.row.webhook_id]


def test_one_that_ended_is_made_anew_and_what_was_missed_is_told(ours: Installation) -> None:
    ours.base.sandbox.advance(-8 * DAY_S)
    ours.keep()
    assert ours.hear() is not None
    first = ours.row.webhook_id
    ours.base.sandbox.advance(8 * DAY_S)
    ours.base.add(POSTS, {"Title": "while it was dead"})
    assert ours.hear() == Changes(), "a webhook that has ended answers as if nothing had happened"
    said = ours.keep(later=True)
    assert "Airtable tells changes from now on: a webhook was made" in said
    assert first not in ours.there
    changes = ours.hear()
    assert changes is not None
    assert changes.everything


def test_one_that_somebody_removed_is_made_anew_at_once(ours: Installation) -> None:
    ours.keep()
    Webhooks(ours.client()).remove(ours.row.webhook_id)
    assert ours.hear() is None
    assert ours.keep() == ["Airtable tells changes from now on: a webhook was made"]
    changes = ours.hear()
    assert changes is not None
    assert changes.everything
    assert ours.open_incidents == []


def test_one_that_hears_nothing_any_more_is_replaced(ours: Installation) -> None:
    ours.keep()
    first = ours.row.webhook_id
    ours.base.sandbox.switch(airtable_payload_error="INVALID_FILTERS")
    ours.base.add(POSTS, {"Title": "One"})
    ours.hear()
    ours.base.sandbox.switch(airtable_payload_error="")
    ours.keep()
    assert ours.there == [ours.row.webhook_id] != [first]


def test_a_field_that_is_new_makes_it_watch_anew(ours: Installation) -> None:
    url = ours.client().calls.api.base(ours.base.base_id).urls.tables
    client = ours.client()
    tables = {table["name"]: table for table in client.calls.send("GET", url)["tables"]}
    field_id = next(f["id"] for f in tables[POSTS]["fields"] if f["name"] == "Poll")
    rename = {"name": "Vote"}
    client.calls.send("PATCH", f"{url}/{tables[POSTS]['id']}/fields/{field_id}", json=rename)
    ours.keep()
    ours.hear()
    first, before = ours.row.webhook_id, len(ours.row.watched[POSTS]["fields"])
    client = ours.client()
    client.calls.send("PATCH", f"{url}/{tables[POSTS]['id']}/fields/{field_id}", json={"name": "Poll"})
    assert ours.hear() == Changes(schema_changed=True)
    ours.keep()
    assert len(ours.row.watched[POSTS]["fields"]) == before + 1
    assert ours.there == [ours.row.webhook_id] != [first]


def test_it_changes_with_the_settings_and_goes_with_them(ours: Installation) -> None:
    ours.keep()
    ours.settings = PING
    ours.keep()
    (webhook,) = Webhooks(ours.client()).all()
    assert (webhook.id, webhook.url, ours.row.url) == (ours.row.webhook_id, URL, URL)
    ours.settings = replace(PING, airtable_ping_url=URL + "/other")
    ours.keep()
    (webhook,) = Webhooks(ours.client()).all()
    assert webhook.url == URL + "/other"
    ours.settings = OFF
    assert ours.keep() == ["Airtable has no webhook of ours any more"]
    assert ours.there == []
    assert ours.row is None


def test_a_secret_is_kept_where_only_the_vault_opens_it_and_checks_pings(ours: Installation) -> None:
    with running_web() as web:
        ours.settings = replace(PING, airtable_ping_url=f"http://{web.address}/hook")
        ours.keep()
        ours.base.add(POSTS, {"Title": "One"})
        until = time.monotonic() + 30
        while not web.raw:
            assert time.monotonic() < until
    headers, body = web.raw[0]
    webhook_id = json.loads(body)["webhook"]["id"]

    def signs(vault: Vault) -> bool:
        secret = secret_of(ours.ledger, vault, webhook_id)
        assert secret is not None
        assert secret not in str(ours.row)
        mac = hmac.new(base64.b64decode(secret), body, hashlib.sha256).hexdigest()
        return headers["x-airtable-content-mac"] == f"hmac-sha256={mac}"

    assert signs(Vault(ours.ledger, KEY))
    assert secret_of(ours.ledger, Vault(ours.ledger, KEY), "ach00000000000000") is None
    newer = Fernet.generate_key().decode()
    assert Vault(ours.ledger, f"{newer},{KEY}").rotate("test").encrypted == 1
    assert signs(Vault(ours.ledger, newer))


def test_an_answer_that_is_none_keeps_no_tick_from_going_on(other: Installation) -> None:
    sandbox = other.base.sandbox
    sandbox.switch(airtable_requests_per_s="0")
    other.settings = replace(PING, airtable_budget_s=1.0)
    sandbox.advance(-5 * DAY_S)
    for way in ("object", "other_kinds", "other_kinds_within", "empty"):
        for route in ("list_tables", "list_webhooks", "create_webhook", "refresh_webhook", "list_payloads"):
            sandbox.fault(service="airtable", mode=f"garbage_after:{way}/200", route=route, times=-1)
            other.keep(later=True)
            with suppress(AirtableError):
                other.hear()
            sandbox.withdraw_faults()
    sandbox.advance(5 * DAY_S)
    other.settings = PING
    other.keep(later=True)
    assert told(other.ledger, None, PING).well
    assert other.there == [other.row.webhook_id]


def test_pings_without_a_vault_key_are_not_begun(ours: Installation) -> None:
    ours.settings = replace(PING, vault_key="")
    (line,) = ours.keep()
    assert "SCHEDULO_VAULT_KEY is not set" in line
    assert ours.there == []
    assert "SCHEDULO_VAULT_KEY" in told(ours.ledger, None, ours.settings).sentence


def test_what_a_lost_installation_left_behind_is_taken_over(ours: Installation, other: Installation) -> None:
    other.keep()
    ours.base.add(POSTS, {"Title": "One"})
    assert ours.keep() == ["Airtable tells changes from now on, by a webhook that was left over"]
    assert ours.there == [ours.row.webhook_id] == [other.row.webhook_id]
    assert ours.hear() == Changes(everything=True)


def test_one_that_pings_us_with_a_secret_that_nobody_knows_is_replaced(
    ours: Installation, other: Installation
) -> None:
    ours.settings = other.settings = PING
    other.keep()
    ours.keep()
    assert ours.there == [ours.row.webhook_id] != [other.row.webhook_id]


def test_what_another_installation_uses_stays_until_nobody_refreshes_it(
    ours: Installation, other: Installation
) -> None:
    other.settings = replace(PING, airtable_ping_url="https://other.example.com/schedulo/hooks/airtable")
    other.base.sandbox.advance(-5.5 * DAY_S)
    other.keep()
    other.base.sandbox.advance(5.5 * DAY_S)
    ours.settings = PING
    ours.keep()
    assert ours.there == [ours.row.webhook_id], "36 hours before its end nobody can be using it"
    other.keep(later=True)
    ours.keep(later=True)
    assert set(ours.there) == {ours.row.webhook_id, other.row.webhook_id}


def test_ten_of_others_are_refused_and_ten_of_ours_make_room(ours: Installation, other: Installation) -> None:
    client = ours.client()
    url = client.calls.api.base(ours.base.base_id).urls.webhooks
    body = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    theirs = [client.calls.send("POST", url, json=body)["id"] for _ in range(9)]
    other.settings = replace(PING, airtable_ping_url="https://gone.example.com/schedulo/hooks/airtable")
    other.keep()
    ours.keep()
    assert set(ours.there) == {ours.row.webhook_id, *theirs}, "only ours made room"
    remove(ours.ledger, ours.client())
    client.calls.send("POST", url, json=body)
    (line,) = ours.keep()
    assert "has 10 webhooks already" in line
    assert ours.row.webhook_id is None
    assert len(ours.there) == 10


@pytest.mark.parametrize("how", ["scope", "plan"])
def test_a_refusal_is_told_costs_nothing_for_an_hour_and_is_over_by_itself(
    ours: Installation, how: str
) -> None:
    def allow(yes: bool) -> None:
        scopes = ["data.records:read", "data.records:write", "schema.bases:read"]
        scopes += ["webhook:manage"] if yes or how == "plan" else []
        ours.base.sandbox.seed({"airtable": {"tokens": [{"token": TOKEN, "scopes": scopes}]}})
        ours.base.sandbox.switch(airtable_webhooks="allowed" if yes or how == "scope" else "refused")

    allow(False)
    (line,) = ours.keep()
    assert "the scope webhook:manage" in line
    assert "creator" in line
    before = calls(ours)
    assert ours.keep() == []
    assert calls(ours) == before
    stands = told(ours.ledger, ours.base.base_id, POLL)
    assert not stands.well
    assert stands.sentence in line
    assert ours.open_incidents == [], "it never worked: the health says so, and nobody is woken"
    allow(True)
    assert ours.keep(later=True) == ["Airtable tells changes from now on: a webhook was made"]
    Webhooks(ours.client()).remove(ours.row.webhook_id)
    allow(False)
    assert ours.hear() is None
    ours.keep()
    assert len(ours.open_incidents) == 1
    allow(True)
    ours.keep(later=True)
    assert ours.open_incidents == []
    assert told(ours.ledger, ours.base.base_id, POLL).well


def test_an_airtable_that_does_not_answer_is_no_trouble_of_the_webhooks(ours: Installation) -> None:
    ours.settings = replace(POLL, airtable_budget_s=5.0)
    ours.base.sandbox.fault(service="airtable", mode="status:503", route="create_webhook", times=-1)
    (line,) = ours.keep()
    assert "not answering" in line
    assert ours.row.trouble == ""
    assert ours.keep() == []
    ours.base.sandbox.withdraw_faults()
    ours.keep(later=True)
    assert ours.row.webhook_id is not None


def test_an_answer_that_got_lost_leaves_one_that_is_found_again(ours: Installation) -> None:
    ours.settings = replace(POLL, airtable_budget_s=5.0)
    ours.base.sandbox.fault(service="airtable", mode="drop_after", route="create_webhook")
    ours.keep()
    assert ours.row.webhook_id is None
    assert ours.keep(later=True) == ["Airtable tells changes from now on, by a webhook that was left over"]
    assert ours.there == [ours.row.webhook_id]


def test_pings_that_airtable_gave_up_are_switched_on_again(ours: Installation) -> None:
    ours.settings = PING
    ours.base.sandbox.switch(airtable_ping_tries="1")
    ours.keep()
    ours.base.add(POSTS, {"Title": "One"})
    until = time.monotonic() + 30
    while Webhooks(ours.client()).all()[0].notifies:
        assert time.monotonic() < until
    assert ours.row.pinged_ms is None
    (line,) = ours.keep(later=True)
    assert line.startswith(f"Airtable had given up pinging {URL}")
    assert Webhooks(ours.client()).all()[0].notifies
    assert ours.row.pinged_ms is not None, "what the pings were for is read"
    assert not told(ours.ledger, None, PING).well
    assert ours.open_incidents == [line]
    assert ours.keep() == []
    assert ours.keep(later=True) == []
    assert ours.open_incidents == []


def test_a_webhook_of_ours_can_be_removed_and_one_that_may_not_be_is_forgotten(ours: Installation) -> None:
    ours.keep()
    ours.base.sandbox.fault(service="airtable", mode="status:503", route="delete_webhook", times=-1)
    with pytest.raises(AirtableDown):
        remove(ours.ledger, ours.base.client(budget_s=3.0))
    assert ours.row is not None
    ours.base.sandbox.withdraw_faults()
    ours.base.sandbox.fault(service="airtable", mode="status:403", route="delete_webhook")
    assert "ends by itself" in remove(ours.ledger, ours.client())
    assert ours.row is None


def test_how_it_stands_is_said(ours: Installation) -> None:
    assert "no webhook yet" in told(ours.ledger, None, POLL).sentence
    ours.keep()
    assert told(ours.ledger, None, POLL).sentence == "Airtable's webhook is read every 5 s, not read yet."
    ours.hear()
    assert "last read" in told(ours.ledger, None, POLL).sentence
    with ours.ledger.begin() as connection:
        long_ago = ours.ledger.now_ms(connection) - 3_600_000
    ours.write(read_ms=long_ago, made_ms=long_ago)
    stands = told(ours.ledger, None, POLL)
    assert not stands.well
    assert "follow_changes is paused" in stands.sentence
    ours.settings = PING
    ours.keep()
    assert "no ping came yet" in told(ours.ledger, None, PING).sentence
    pinged(ours.ledger, ours.row.webhook_id)
    assert "the last ping came" in told(ours.ledger, None, PING).sentence
    ours.write(pinged_ms=long_ago, read_ms=long_ago + 1000)
    assert told(ours.ledger, None, PING).well
    ours.write(read_ms=long_ago - 3_600_000)
    stands = told(ours.ledger, None, PING)
    assert not stands.well
    assert "was not read since a ping came" in stands.sentence
    assert "follow_changes is paused" in stands.sentence


def test_an_old_ping_that_somebody_repeats_has_nothing_read(ours: Installation) -> None:
    ours.settings = PING
    ours.keep()
    webhook_id = ours.row.webhook_id
    with ours.ledger.begin() as connection:
        now_ms = ours.ledger.now_ms(connection)
    pinged(ours.ledger, webhook_id, now_ms - 3_600_000)
    assert ours.row.pinged_ms, "Airtable may be late with the first one"
    last_ms = now_ms - 10_000
    ours.write(pinged_ms=last_ms)
    pinged(ours.ledger, webhook_id, last_ms - 3_600_000)
    assert ours.row.pinged_ms == last_ms
    for said_ms in (last_ms - 60_000, None):
        ours.write(pinged_ms=last_ms)
        pinged(ours.ledger, webhook_id, said_ms)
        assert ours.row.pinged_ms > last_ms


def test_where_no_key_opens_its_secret_any_more_another_takes_its_place(ours: Installation) -> None:
    ours.settings = PING
    ours.keep()
    before = ours.row.webhook_id
    assert ours.keep(later=True) == []
    key = Fernet.generate_key().decode()
    ours.settings = replace(PING, vault_key=key)
    ours.keep(later=True)
    assert ours.there == [ours.row.webhook_id] != [before]
    assert secret_of(ours.ledger, Vault(ours.ledger, key), ours.row.webhook_id)


@pytest.mark.parametrize(
    ("calls", "own_s", "every_s", "slow"),
    [
        (0, 0, 5, False),
        (0, 2, 2, False),
        (100_000, 0, 172.8, True),
        (100_000, 10, 10, False),
        (1_000_000, 0, 17.28, False),
    ],
)
def test_how_often_it_is_asked_follows_the_plan(calls: int, own_s: float, every_s: float, slow: bool) -> None:
    settings = Settings(
        airtable_changes="poll", airtable_monthly_calls=calls, airtable_changes_poll_s=float(own_s)
    )
    assert settings.changes_every_s == pytest.approx(every_s)
    assert bool(too_slow(settings)) is slow
    assert not too_slow(replace(PING, airtable_monthly_calls=calls))


def test_a_plan_with_too_few_calls_has_no_webhook_and_says_why(ours: Installation) -> None:
    ours.keep()
    ours.settings = replace(POLL, airtable_monthly_calls=100_000)
    ours.keep()
    assert ours.row is None
    assert ours.there == []
    stands = told(ours.ledger, None, ours.settings)
    assert not stands.well
    assert "SCHEDULO_AIRTABLE_CHANGES to ping" in stands.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"airtable_changes": "push"},
        {"airtable_changes": "ping"},
        {"airtable_changes": "ping", "airtable_ping_url": "http://schedulo.example.com/hook"},
        {"airtable_changes": "ping", "airtable_ping_url": "https://me:secret@schedulo.example.com/hook"},
        {"airtable_changes": "ping", "airtable_ping_url": "https://schedulo.example.com/hook?key=1"},
        {"airtable_changes_poll_s": 0.5},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"SCHEDULO_AIRTABLE_(CHANGES|PING)"):
        Settings(**wrong)
