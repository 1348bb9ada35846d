"""Webhooks: who may make them, what they tell of which change, how long they and their payloads live."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import requests

from sandbox.running import RunningSandbox
from tests.receivers import Web, running_web
from tests.sandbox.airtable.conftest import BASE, Client, a_base, kind

PERSON = "patPerson"
DAY_S = 86_400
DATA = {"dataTypes": ["tableData"]}


@pytest.fixture
def person(client: Client) -> Client:
    """Somebody who edits in Airtable's own pages."""
    client.sandbox.seed({"airtable": {"tokens": [{"token": PERSON, "source": "client"}]}})
    return replace(client, token=PERSON)


def made(
    client: Client, filters: dict[str, Any] = DATA, url: str | None = None, **includes: Any
) -> dict[str, Any]:
    options = {"filters": filters} | ({"includes": includes} if includes else {})
    body = {"notificationUrl": url, "specification": {"options": options}}
    status, data = client.call("POST", f"bases/{BASE}/webhooks", json=body)
    assert status == 200, data
    return dict(data)


def payloads(
    client: Client, webhook: dict[str, Any], **params: Any
) -> tuple[list[dict[str, Any]], int, bool]:
    status, data = client.call("GET", f"bases/{BASE}/webhooks/{webhook['id']}/payloads", params=params)
    assert status == 200, data
    return data["payloads"], data["cursor"], data["mightHaveMore"]


def listed(client: Client) -> list[dict[str, Any]]:
    status, data = client.call("GET", f"bases/{BASE}/webhooks")
    assert status == 200
    return list(data["webhooks"])


def add(client: Client, fields: dict[str, Any], table: str = "Posts") -> str:
    status, data = client.call("POST", f"{BASE}/{table}", json={"fields": fields})
    assert status == 200, data
    return str(data["id"])


def change(client: Client, record: str, fields: dict[str, Any], table: str = "Posts") -> None:
    status, data = client.call("PATCH", f"{BASE}/{table}/{record}", json={"fields": fields})
    assert status == 200, data


def ids(client: Client, table: str = "Posts") -> dict[str, str]:
    """Field ids by name, and the table's own as ''."""
    _, data = client.call("GET", f"meta/bases/{BASE}/tables")
    found = next(t for t in data["tables"] if t["name"] == table)
    return {"": found["id"]} | {f["name"]: f["id"] for f in found["fields"]}


def pinged(web: Web, times: int) -> tuple[dict[str, str], bytes]:
    """Wait until so many pings came; headers and body of the last."""
    until = time.monotonic() + 30
    while len(web.raw) < times:
        assert time.monotonic() < until, f"{len(web.raw)} of {times} pings came"
        time.sleep(0.01)
    return web.raw[times - 1]


def test_a_webhook_shows_its_secret_once_and_lives_for_seven_days(client: Client) -> None:
    webhook = made(client)
    assert set(webhook) == {"id", "macSecretBase64", "expirationTime"}
    assert webhook["id"].startswith("ach")
    assert len(base64.b64decode(webhook["macSecretBase64"])) == 32
    lives_s = datetime.fromisoformat(webhook["expirationTime"]).timestamp() - time.time()
    assert 7 * DAY_S - 60 < lives_s <= 7 * DAY_S
    shown = listed(client)[0]
    assert shown["specification"] == {"options": {"filters": DATA}}
    assert (shown["isHookEnabled"], shown["areNotificationsEnabled"]) == (True, True)
    assert shown["cursorForNextPayload"] == 1
    assert "macSecretBase64" not in shown


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"specification": {}},
        {"specification": {"options": {}}},
        {"specification": {"options": {"filters": {}}}},
        {"specification": {"options": {"filters": {"dataTypes": []}}}},
        {"specification": {"options": {"filters": {"dataTypes": ["rows"]}}}},
        {"specification": {"options": {"filters": DATA | {"fields": ["Text"]}}}},
        {"specification": {"options": {"filters": DATA | {"fromSources": ["bubble"]}}}},
        {"specification": {"options": {"filters": DATA | {"changeTypes": ["edit"]}}}},
        {"specification": {"options": {"filters": DATA | {"recordChangeScope": "Posts"}}}},
        {"specification": {"options": {"filters": DATA | {"watchDataInFieldIds": ["Text"]}}}},
        {"specification": {"options": {"filters": DATA, "includes": {"all": True}}}},
        {"specification": {"options": {"filters": DATA}}, "notificationUrl": "hooks"},
        {"specification": {"options": {"filters": DATA}}, "url": None},
    ],
)
def test_a_specification_with_anything_wrong_is_refused(client: Client, body: Any) -> None:
    assert kind(client.call("POST", f"bases/{BASE}/webhooks", json=body)) == (422, "INVALID_REQUEST_UNKNOWN")
    assert listed(client) == []


@pytest.mark.parametrize(
    ("scopes", "types"),
    [
        (["data.records:read", "schema.bases:read"], ["tableData"]),
        (["webhook:manage", "schema.bases:read"], ["tableData"]),
        (["webhook:manage", "data.records:read"], ["tableData", "tableFields"]),
        (["webhook:manage", "data.records:read"], ["tableMetadata"]),
    ],
)
def test_each_scope_is_needed_for_what_it_covers(client: Client, scopes: list[str], types: list[str]) -> None:
    client.sandbox.seed({"airtable": {"tokens": [{"token": "patLess", "scopes": scopes}]}})
    body = {"specification": {"options": {"filters": {"dataTypes": types}}}}
    answer = replace(client, token="patLess").call("POST", f"bases/{BASE}/webhooks", json=body)
    assert kind(answer) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")


def test_the_eleventh_webhook_of_a_base_and_those_of_another_plan_are_refused(client: Client) -> None:
    for _ in range(10):
        made(client)
    body = {"specification": {"options": {"filters": DATA}}}
    assert kind(client.call("POST", f"bases/{BASE}/webhooks", json=body)) == (
        403,
        "TOO_MANY_WEBHOOKS_IN_BASE",
    )
    first = listed(client)[0]["id"]
    assert (
        client.session.delete(
            f"{client.sandbox.url}/airtable/v0/bases/{BASE}/webhooks/{first}",
            headers={"Authorization": f"Bearer {client.token}"},
            timeout=10,
        ).status_code
        == 204
    )
    client.sandbox.switch(airtable_webhooks="refused")
    assert kind(client.call("POST", f"bases/{BASE}/webhooks", json=body)) == (403, "INVALID_PERMISSIONS")
    client.sandbox.switch(airtable_webhooks="allowed")
    made(client)


def test_payloads_tell_what_changed_where_it_came_from_and_nothing_twice(
    client: Client, person: Client
) -> None:
    field, webhook = ids(client), made(client)
    row = add(person, {"Title": "One", "Status": "Ready"})
    change(client, row, {"Text": "Hello", "Title": "One"})
    told, cursor, more = payloads(client, webhook)
    assert (len(told), cursor, more) == (2, 3, False)
    assert [one["actionMetadata"]["source"] for one in told] == ["client", "publicApi"]
    assert [one["baseTransactionNumber"] for one in told] == [1, 2]
    new = told[0]["changedTablesById"][field[""]]["createdRecordsById"][row]
    assert new["cellValuesByFieldId"][field["Title"]] == "One"
    assert new["cellValuesByFieldId"][field["Status"]]["name"] == "Ready"
    changed = told[1]["changedTablesById"][field[""]]["changedRecordsById"][row]
    assert changed == {"current": {"cellValuesByFieldId": {field["Text"]: "Hello"}}}, "the title is the same"
    change(client, row, {"Text": "Hello"})
    assert payloads(client, webhook, cursor=cursor) == ([], 3, False)
    client.call("DELETE", f"{BASE}/Posts/{row}")
    (gone,), _, _ = payloads(client, webhook, cursor=cursor)
    assert gone["changedTablesById"] == {field[""]: {"destroyedRecordIds": [row]}}


def test_a_refused_write_tells_nothing(client: Client) -> None:
    webhook = made(client)
    client.call(
        "POST", f"{BASE}/Posts", json={"records": [{"fields": {"Title": "a"}}, {"fields": {"No": 1}}]}
    )
    assert payloads(client, webhook)[0] == []


def test_filters_leave_out_what_is_not_wanted(client: Client, person: Client) -> None:
    posts, accounts = ids(client), ids(client, "Accounts")
    by_people = made(client, DATA | {"fromSources": ["client"]})
    adds = made(client, DATA | {"changeTypes": ["add"]})
    scoped = made(client, DATA | {"recordChangeScope": accounts[""]})
    texts = made(client, DATA | {"watchDataInFieldIds": [posts["Text"]]})
    row = add(client, {"Title": "One"})
    change(person, row, {"Title": "Two"})
    change(client, row, {"Text": "Hello", "Title": "Three"})
    add(client, {"Name": "North"}, "Accounts")

    def short(webhook: dict[str, Any]) -> list[str]:
        return [
            f"{'Posts' if table == posts[''] else 'Accounts'} {' '.join(sorted(change))}"
            for one in payloads(client, webhook)[0]
            for table, change in one["changedTablesById"].items()
        ]

    assert short(by_people) == ["Posts changedRecordsById"]
    assert short(adds) == ["Posts createdRecordsById", "Accounts createdRecordsById"]
    assert short(scoped) == ["Accounts createdRecordsById"]
    assert short(texts) == [
        "Posts createdRecordsById",
        "Posts changedRecordsById",
        "Accounts createdRecordsById",
    ]
    told = payloads(client, texts)[0]
    assert told[0]["changedTablesById"][posts[""]]["createdRecordsById"][row]["cellValuesByFieldId"] == {}
    current = told[1]["changedTablesById"][posts[""]]["changedRecordsById"][row]["current"]
    assert current["cellValuesByFieldId"] == {posts["Text"]: "Hello"}
    client.sandbox.switch(airtable_watched_rows="cells")
    cells = made(client, DATA | {"watchDataInFieldIds": [posts["Text"]]})
    client.call("DELETE", f"{BASE}/Posts/{add(client, {'Title': 'Four'})}")
    assert short(cells) == []


def test_links_tell_of_both_sides_and_cells_can_be_told_along(client: Client) -> None:
    posts, accounts = ids(client), ids(client, "Accounts")
    account, row = add(client, {"Name": "North"}, "Accounts"), add(client, {"Title": "One", "Text": "Old"})
    webhook = made(client, includeCellValuesInFieldIds=[posts["Title"]], includePreviousCellValues=True)
    change(client, row, {"Accounts": [account], "Text": ""})
    (told,), _, _ = payloads(client, webhook)
    changed = told["changedTablesById"][posts[""]]["changedRecordsById"][row]
    linked = {posts["Accounts"]: [{"id": account, "name": "North"}], posts["Text"]: None}
    assert changed["current"]["cellValuesByFieldId"] == linked
    assert changed["previous"]["cellValuesByFieldId"] == {posts["Accounts"]: None, posts["Text"]: "Old"}
    assert changed["unchanged"]["cellValuesByFieldId"] == {posts["Title"]: "One"}
    other_side = told["changedTablesById"][accounts[""]]["changedRecordsById"][account]
    assert other_side["current"]["cellValuesByFieldId"][accounts["Posts"]] == [{"id": row, "name": "One"}]


def test_schemas_are_told_to_those_that_asked(client: Client) -> None:
    posts = ids(client)
    webhook = made(client, {"dataTypes": ["tableFields", "tableMetadata"]})
    data_only = made(client)
    base = f"meta/bases/{BASE}/tables"
    client.call("PATCH", f"{base}/{posts['']}/fields/{posts['Text']}", json={"name": "Copy"})
    client.call("POST", f"{base}/{posts['']}/fields", json={"name": "New", "type": "singleLineText"})
    client.call("PATCH", f"{base}/{posts['']}", json={"name": "Calendar"})
    client.call("POST", base, json={"name": "More", "fields": [{"name": "A", "type": "singleLineText"}]})
    told = [one.get("changedTablesById", {}).get(posts[""]) for one in payloads(client, webhook)[0]]
    assert told[0] == {
        "changedFieldsById": {posts["Text"]: {"current": {"name": "Copy", "type": "multilineText"}}}
    }
    assert list(told[1]["createdFieldsById"].values()) == [{"name": "New", "type": "singleLineText"}]
    assert told[2]["changedMetadata"]["current"]["name"] == "Calendar"
    (table,) = payloads(client, webhook)[0][3]["createdTablesById"].values()
    assert table["metadata"]["name"] == "More"
    assert payloads(client, data_only)[0] == []


def test_payloads_come_fifty_at_a_time_and_are_kept_for_seven_days(client: Client) -> None:
    webhook = made(client)
    for number in range(53):
        add(client, {"Count": number})
    told, cursor, more = payloads(client, webhook)
    assert (len(told), cursor, more) == (50, 51, True)
    assert payloads(client, webhook, cursor=51, limit=2)[1:] == (53, True)
    assert payloads(client, webhook, cursor=53)[1:] == (54, False)
    for wrong in ({"cursor": 0}, {"cursor": "x"}, {"limit": 51}, {"offset": 1}):
        answer = client.call("GET", f"bases/{BASE}/webhooks/{webhook['id']}/payloads", params=wrong)
        assert kind(answer) == (422, "INVALID_REQUEST_UNKNOWN")
    client.sandbox.advance(6 * DAY_S)
    add(client, {"Count": 99})
    client.sandbox.advance(DAY_S + 1)
    told, cursor, _ = payloads(client, webhook)
    assert (len(told), cursor) == (1, 55), "what is too old is gone, and the cursor says so"


def test_a_webhook_that_nobody_keeps_ends_and_then_is_forgotten(client: Client) -> None:
    webhook, kept, read = made(client), made(client), made(client)
    client.sandbox.advance(6 * DAY_S)
    status, data = client.call("POST", f"bases/{BASE}/webhooks/{kept['id']}/refresh")
    assert status == 200
    assert data["expirationTime"] > kept["expirationTime"]
    add(client, {"Title": "before the end"})
    payloads(client, read)
    client.sandbox.advance(2 * DAY_S)
    add(client, {"Title": "after the end"})
    assert [len(payloads(client, one)[0]) for one in (webhook, kept, read)] == [1, 2, 2]
    for verb, body in (("refresh", {}), ("enableNotifications", {"enable": True})):
        answer = client.call("POST", f"bases/{BASE}/webhooks/{webhook['id']}/{verb}", json=body)
        assert kind(answer) == (422, "INVALID_HOOK")
    client.sandbox.advance(7 * DAY_S)
    answer = client.call("GET", f"bases/{BASE}/webhooks/{webhook['id']}/payloads")
    assert kind(answer) == (404, "NOT_FOUND")
    assert webhook["id"] not in [one["id"] for one in listed(client)]


@pytest.mark.parametrize(("code", "lives"), [("INVALID_HOOK", False), ("INTERNAL_ERROR", True)])
def test_an_error_can_take_the_place_of_payloads(client: Client, code: str, lives: bool) -> None:
    webhook = made(client)
    client.sandbox.switch(airtable_payload_error=code)
    add(client, {"Title": "One"})
    client.sandbox.switch(airtable_payload_error="")
    add(client, {"Title": "Two"})
    told, _, _ = payloads(client, webhook)
    assert told[0] == {"error": True, "code": code}
    assert len(told) == (2 if lives else 1)
    assert listed(client)[0]["isHookEnabled"] is lives


def test_webhooks_share_the_five_calls_a_second_which_people_do_not_use(sandbox: RunningSandbox) -> None:
    tokens = [{"token": "patTest"}, {"token": PERSON, "source": "client"}]
    sandbox.seed({"airtable": {"tokens": tokens, "bases": [a_base()], "monthly_calls_left": 100}})
    with requests.Session() as session:
        program, person = (Client(sandbox, session, str(t["token"])) for t in tokens)
        for _ in range(8):
            add(person, {"Title": "by hand"})
        answers = [program.call("GET", f"bases/{BASE}/webhooks")[0] for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert sandbox.world.switches["monthly_calls_left"] == "95"


def test_pings_are_signed_carry_no_data_and_come_once_for_what_one_read_shows(client: Client) -> None:
    with running_web() as web:
        webhook = made(client, url=f"http://{web.address}/hook")
        row = add(client, {"Title": "One"})
        headers, raw = pinged(web, 1)
        body = json.loads(raw)
        assert set(body) == {"base", "webhook", "timestamp"}
        assert (body["base"], body["webhook"]) == ({"id": BASE}, {"id": webhook["id"]})
        secret = base64.b64decode(webhook["macSecretBase64"])
        mac = hmac.new(secret, raw, hashlib.sha256).hexdigest()
        assert headers["x-airtable-content-mac"] == f"hmac-sha256={mac}"
        change(client, row, {"Title": "Two"})
        pinged(web, 2)
        status = client.call("PATCH", f"{BASE}/Posts/{row}", json={"fields": {"Title": "Two"}})[0]
        assert status == 200, "which changes nothing"
    result = listed(client)[0]["lastNotificationResult"]
    assert (result["success"], result["retryNumber"]) == (True, 0)


def test_pings_that_are_not_taken_are_tried_again_and_then_switched_off(client: Client) -> None:
    client.sandbox.switch(airtable_ping_wait_s="0.01", airtable_ping_tries="3")
    with running_web() as web:
        web.status = 500
        webhook = made(client, url=f"http://{web.address}/hook")
        add(client, {"Title": "One"})
        pinged(web, 3)
        until = time.monotonic() + 20
        while listed(client)[0]["areNotificationsEnabled"] and time.monotonic() < until:
            time.sleep(0.02)
        shown = listed(client)[0]
        assert not shown["areNotificationsEnabled"]
        assert shown["lastNotificationResult"]["willBeRetried"] is False
        assert "500" in shown["lastNotificationResult"]["error"]["message"]
        add(client, {"Title": "unheard"})
        web.status = 204
        url = f"{client.sandbox.url}/airtable/v0/bases/{BASE}/webhooks/{webhook['id']}/enableNotifications"
        authorized = {"Authorization": f"Bearer {client.token}"}
        answer = client.session.post(url, json={"enable": True}, headers=authorized, timeout=10)
        assert answer.status_code == 204
        add(client, {"Title": "heard"})
        pinged(web, 4)
    assert len(payloads(client, webhook)[0]) == 3, "payloads are there with or without pings"
