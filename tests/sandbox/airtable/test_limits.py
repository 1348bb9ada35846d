"""Tokens, scopes, the rate limit with its lock-out, the monthly budget, and the bodies of outages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from sandbox.running import RunningSandbox

from .conftest import BASE, TOKEN, Client, a_base, kind

READER, STRANGER = "patReader", "patStranger"
LOCK_OUT_S = 30


@pytest.fixture
def limited(sandbox: RunningSandbox) -> Iterator[Client]:
    tokens = [
        {"token": TOKEN},
        {"token": READER, "scopes": ["data.records:read"], "bases": [BASE]},
        {"token": STRANGER, "bases": ["appOther000000001"]},
    ]
    sandbox.seed({"airtable": {"tokens": tokens, "bases": [a_base()]}})
    with requests.Session() as session:
        yield Client(sandbox, session)


def test_the_sixth_request_in_a_second_locks_the_base_for_thirty_seconds(limited: Client) -> None:
    assert [limited.list()[0] for _ in range(6)] == [200] * 5 + [429]
    limited.sandbox.advance(LOCK_OUT_S - 1)
    assert kind(limited.list()) == (429, "RATE_LIMIT_REACHED")
    limited.sandbox.advance(1.1)
    assert limited.list()[0] == 200


def test_five_requests_in_every_second_are_never_refused(limited: Client) -> None:
    for _ in range(4):
        assert [limited.list()[0] for _ in range(5)] == [200] * 5
        limited.sandbox.advance(1)


def test_the_limit_counts_all_callers_of_a_base_together(limited: Client) -> None:
    for _ in range(5):
        limited.list()
    limited.token = READER
    assert limited.list()[0] == 429


def test_other_bases_go_on_while_one_is_locked(limited: Client) -> None:
    for _ in range(6):
        limited.list()
    assert limited.call("GET", "meta/bases")[0] == 200


def test_a_429_has_the_shape_that_the_switch_says(limited: Client) -> None:
    limited.sandbox.switch(airtable_429_shape="array")
    answers = [limited.list() for _ in range(6)]
    assert answers[-1][1]["errors"][0]["error"] == "RATE_LIMIT_REACHED"


def test_an_ordered_rate_limit_locks_the_base_too(limited: Client) -> None:
    limited.sandbox.fault(service="airtable", mode="rate_limit")
    assert [limited.list()[0] for _ in range(2)] == [429, 429]
    limited.sandbox.advance(LOCK_OUT_S)
    assert limited.list()[0] == 200


def test_a_used_up_month_blocks_records_but_not_the_schema(limited: Client) -> None:
    limited.sandbox.switch(monthly_calls_left="2")
    assert [limited.list()[0] for _ in range(2)] == [200, 200]
    assert kind(limited.list()) == (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED")
    assert limited.call("GET", f"meta/bases/{BASE}/tables")[0] == 200


def test_the_budget_can_be_seeded(limited: Client) -> None:
    limited.sandbox.seed({"airtable": {"monthly_calls_left": 0}})
    assert kind(limited.list()) == (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED")


@pytest.mark.parametrize("token", ["", "patWrong"])
def test_a_missing_or_wrong_token_is_401(limited: Client, token: str) -> None:
    limited.token = token
    assert kind(limited.list()) == (401, "AUTHENTICATION_REQUIRED")


def test_an_expired_token_is_401_from_the_next_request_on(limited: Client) -> None:
    limited.sandbox.fault(service="airtable", mode="expire_token")
    assert [limited.list()[0] for _ in range(2)] == [401, 401]


def test_a_token_may_do_only_what_its_scopes_say(limited: Client) -> None:
    limited.token = READER
    assert limited.list()[0] == 200
    refused = (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
    assert kind(limited.create({"Title": "x"})) == refused
    assert kind(limited.call("GET", f"meta/bases/{BASE}/tables")) == refused
    assert kind(limited.call("GET", "meta/bases")) == refused


def test_a_base_or_table_out_of_reach_looks_like_one_that_is_not_there(limited: Client) -> None:
    missing = limited.list("Nowhere")
    assert kind(missing) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
    limited.token = STRANGER
    assert limited.list() == missing


def test_a_scope_that_does_not_exist_is_refused_in_a_seed(limited: Client) -> None:
    with pytest.raises(ValueError, match="everything"):
        limited.sandbox.seed({"airtable": {"tokens": [{"token": "t", "scopes": ["everything"]}]}})


def test_an_outage_says_that_it_may_be_retried(limited: Client) -> None:
    limited.sandbox.fault(service="airtable", mode="status:503")
    assert kind(limited.list()) == (503, "RETRIABLE_ERROR")


def test_a_502_comes_from_a_proxy_and_is_not_json(limited: Client) -> None:
    limited.sandbox.fault(service="airtable", mode="status:502")
    answer = requests.get(f"{limited.sandbox.url}/airtable/v0/{BASE}/Posts", timeout=5)
    assert (answer.status_code, answer.text[:6]) == (502, "<html>")
