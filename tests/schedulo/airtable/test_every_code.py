"""Every answer that Airtable is known to give, and answers that are none: what the client makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.garbage import WAYS
from schedulo.airtable.rows import Report
from schedulo.errors import Kind
from schedulo.errors.airtable import (
    LOCKOUT_S,
    RULES,
    AirtableBusy,
    AirtableDown,
    AirtableError,
    AirtableQuota,
    AirtableRefused,
)
from schedulo.model import Platform


@dataclass(frozen=True, slots=True)
class Answer:
    words: str
    said: str
    """`HTTP/type`, as the sandbox's faults are ordered."""
    error: type[AirtableError]
    kind: Kind
    wait_s: float | None = None
    """How long the error tells to wait; None: by growing pauses, or not at all."""

    @property
    def repeated(self) -> bool:
        """Whether the client asks again by itself while its caller has time."""
        return issubclass(self.error, AirtableBusy | AirtableDown)


ANSWERS = (
    Answer("malformed JSON", "400/INVALID_REQUEST_BODY", AirtableRefused, Kind.BUG),
    Answer("AUTHENTICATION_REQUIRED", "401", AirtableRefused, Kind.RECONNECT),
    Answer("INVALID_PERMISSIONS", "403", AirtableRefused, Kind.PERMISSION),
    Answer(
        "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        "403/INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        AirtableRefused,
        Kind.PERMISSION,
    ),
    Answer("NOT_FOUND, a text", "404", AirtableRefused, Kind.CONFIGURATION),
    Answer("NOT_FOUND, an object", "404/NOT_FOUND", AirtableRefused, Kind.CONFIGURATION),
    Answer("payload too large", "413", AirtableRefused, Kind.BUG),
    Answer("INVALID_REQUEST_UNKNOWN", "422", AirtableRefused, Kind.BUG),
    Answer("UNKNOWN_FIELD_NAME", "422/UNKNOWN_FIELD_NAME", AirtableRefused, Kind.CONFIGURATION),
    Answer("INVALID_VALUE_FOR_COLUMN", "422/INVALID_VALUE_FOR_COLUMN", AirtableRefused, Kind.CONFIGURATION),
    Answer("INVALID_FILTER_BY_FORMULA", "422/INVALID_FILTER_BY_FORMULA", AirtableRefused, Kind.CONFIGURATION),
    Answer(
        "INVALID_MULTIPLE_CHOICE_OPTIONS",
        "422/INVALID_MULTIPLE_CHOICE_OPTIONS",
        AirtableRefused,
        Kind.CONFIGURATION,
    ),
    Answer("INVALID_OFFSET_VALUE", "422/INVALID_OFFSET_VALUE", AirtableRefused, Kind.HANDLE_EXPIRED),
    Answer(
        "LIST_RECORDS_ITERATOR_NOT_AVAILABLE",
        "422/LIST_RECORDS_ITERATOR_NOT_AVAILABLE",
        AirtableRefused,
        Kind.HANDLE_EXPIRED,
    ),
    Answer("rate", "429", AirtableBusy, Kind.RATE_LIMITED, LOCKOUT_S),
    Answer(
        "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
        "429/PUBLIC_API_BILLING_LIMIT_EXCEEDED",
        AirtableQuota,
        Kind.QUOTA_EXHAUSTED,
    ),
    Answer("500, body not documented", "500", AirtableDown, Kind.PLATFORM_DOWN),
    Answer("502", "502", AirtableDown, Kind.PLATFORM_DOWN),
    Answer("RETRIABLE_ERROR", "503", AirtableDown, Kind.PLATFORM_DOWN),
    Answer("a status that nobody lists", "418", AirtableDown, Kind.NOT_UNDERSTOOD),
    Answer("a type that nobody lists", "409/SOMETHING_NEW", AirtableDown, Kind.NOT_UNDERSTOOD),
)


def ordered(base: Any, mode: str, times: int = 1, **more: Any) -> None:
    base.sandbox.fault(service="airtable", mode=mode, times=times, **more)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.words)
def test_every_answer_is_the_exception_and_the_wait_that_the_catalogue_says(
    base: Any, answer: Answer
) -> None:
    calls = base.client().calls
    ordered(base, f"status:{answer.said}", times=-1)
    with calls.within(20), pytest.raises(AirtableError) as caught:
        calls.send("GET", calls.api.table(base.base_id, "Posts").urls.records)
    error = caught.value
    assert (type(error), error.kind, error.status) == (answer.error, answer.kind, int(answer.said[:3]))
    assert error.wait_s == answer.wait_s
    assert (calls.count > 1) == (answer.repeated and answer.wait_s is None)


@pytest.mark.parametrize("shape", ["object", "array"])
@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.said.startswith("429")], ids=lambda a: a.words)
def test_both_shapes_of_a_429_mean_the_same(base: Any, answer: Answer, shape: str) -> None:
    base.sandbox.switch(airtable_429_shape=shape)
    client = base.client()
    ordered(base, f"status:{answer.said}")
    with client.within(20), pytest.raises(answer.error) as caught:
        client.accounts()
    assert (caught.value.kind, caught.value.wait_s) == (answer.kind, answer.wait_s)


def test_a_503_that_names_a_time_is_asked_again_then(base: Any) -> None:
    base.sandbox.switch(airtable_retry_after_s="7")
    client = base.client()
    ordered(base, "status:503")
    assert client.accounts() == []
    assert 7 in base.clock.slept


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.repeated], ids=lambda a: a.words)
def test_what_passes_is_asked_again_and_read_in_the_end(base: Any, answer: Answer) -> None:
    client = base.client()
    ordered(base, f"status:{answer.said}")
    assert client.accounts() == []
    assert client.calls.count == 2


@pytest.mark.parametrize("code", ["INVALID_OFFSET_VALUE", "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"])
def test_a_list_whose_offset_died_is_read_again_from_its_beginning(base: Any, code: str) -> None:
    base.add("Accounts", *({"Name": f"Acme {number}", "Platform": "X"} for number in range(150)))
    client = base.client()
    ordered(base, f"status:422/{code}", route="list_records", after=1)
    assert len(client.accounts()) == 150
    assert client.calls.count == 4


def report(key: str) -> Report:
    return Report(key, None, key, None, None, Platform.X, "Published")


def test_reports_that_are_too_large_together_are_written_apart(base: Any) -> None:
    ordered(base, "status:413", method="PATCH")
    written = base.client().write_reports([report(f"d{number}") for number in range(4)])
    assert [each.error for each in written] == [""] * 4
    assert len(base.rows("Deliveries")) == 4


# Answers that are none


@pytest.mark.parametrize("way", [way for way in WAYS if way != "mislabelled"])
@pytest.mark.parametrize("status", [200, 400, 403, 404, 422, 500])
def test_garbage_for_a_list_is_asked_again_and_blames_nobody(base: Any, way: str, status: int) -> None:
    base.add("Accounts", {"Name": "Acme", "Platform": "X"})
    client = base.client()
    ordered(base, f"garbage_after:{way}/{status}", route="list_records")
    assert len(client.accounts()) == 1
    ordered(base, f"garbage_after:{way}/{status}", route="list_records", times=-1)
    with client.within(20), pytest.raises(AirtableDown) as caught:
        client.accounts()
    assert caught.value.kind in (Kind.NOT_UNDERSTOOD, Kind.PLATFORM_DOWN, Kind.NETWORK)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "mislabelled"])
@pytest.mark.parametrize("mode", ["garbage:{}/502", "garbage_after:{}/200", "garbage_after:{}/500"])
def test_garbage_for_a_write_leaves_one_row(base: Any, way: str, mode: str) -> None:
    ordered(base, mode.format(way), method="PATCH")
    (written,) = base.client().write_reports([report("d1")])
    (row,) = base.rows("Deliveries")
    assert (written.record_id, written.error) == (row["id"], "")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_nobody_is_led_elsewhere(base: Any, status: int) -> None:
    ordered(base, f"garbage:html/{status}", method="PATCH")
    ordered(base, f"garbage:html/{status}", method="GET", route="list_records")
    client = base.client()
    assert client.accounts() == []
    assert [each.error for each in client.write_reports([report("d1")])] == [""]
    assert client.calls.count == 4
    assert len(base.rows("Deliveries")) == 1


@pytest.mark.parametrize("way", [way for way in WAYS if way != "mislabelled"])
def test_garbage_never_says_that_a_row_is_gone(base: Any, way: str) -> None:
    (record_id,) = base.add("Posts", {"Title": "still there"})
    client = base.client()
    ordered(base, f"garbage:{way}/404", route="get_record", times=-1)
    with client.within(20), pytest.raises(AirtableDown):
        client.exists(record_id)
    base.sandbox.world.faults.clear()
    assert client.exists(record_id)


def test_a_right_answer_under_a_wrong_type_is_read(base: Any) -> None:
    base.add("Accounts", {"Name": "Acme", "Platform": "X"})
    ordered(base, "garbage_after:mislabelled/200", route="list_records")
    client = base.client()
    assert len(client.accounts()) == 1
    assert client.calls.count == 1


def test_every_row_of_the_catalogue_is_met_here() -> None:
    said = {part for answer in ANSWERS for part in (*answer.said.split("/"), answer.words)}
    said |= {"RATE_LIMIT_REACHED", "NOT_FOUND"}
    assert {rule.code for rule in RULES if rule.code} <= said
    assert {str(rule.status) for rule in RULES} <= said
