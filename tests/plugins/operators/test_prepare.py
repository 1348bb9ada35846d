"""When a preparing task is tried again, and what it is called."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from operators.prepare import PrepareRetryPolicy, _part, prepare_options
from schedulo.delivery.readiness import Unprepared
from schedulo.errors import Kind
from schedulo.errors.airtable import AirtableBusy, AirtableDown, AirtableRefused, AirtableSetupError
from schedulo.planning.prepare import NotPrepared
from schedulo.settings import settings


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (NotPrepared("photo.jpg: files.example did not answer", 30.0), RetryAction.RETRY, 30),
        (NotPrepared("film.mov: there was no room", None), RetryAction.FAIL, None),
        (AirtableBusy(Kind.RATE_LIMITED, wait_s=12), RetryAction.RETRY, 12),
        (AirtableDown(Kind.PLATFORM_DOWN, status=503), RetryAction.RETRY, None),
        (AirtableRefused(Kind.PERMISSION, status=403), RetryAction.FAIL, None),
        (AirtableSetupError("no such Connection"), RetryAction.FAIL, None),
        (RuntimeError("a fault"), RetryAction.DEFAULT, None),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception, action: RetryAction, delay: float | None) -> None:
    decision = PrepareRetryPolicy().evaluate(error, 1, 3)
    assert decision.action is action
    if delay is not None:
        assert decision.retry_delay == timedelta(seconds=delay)


def test_a_part_is_called_after_its_first_post() -> None:
    one, two = Unprepared("rec1", "New roast", 1), Unprepared("rec2", "", 2)
    assert _part([one]) == {"title": "New roast", "record_ids": ["rec1"]}
    assert _part([one, two]) == {"title": "New roast and 1 more", "record_ids": ["rec1", "rec2"]}
    assert _part([two])["title"] == "(no title)"


@pytest.mark.parametrize(("named", "queue"), [("media", "media"), ("", None)])
def test_preparing_has_a_queue_of_its_own_where_one_is_named(
    monkeypatch: pytest.MonkeyPatch, named: str, queue: str | None
) -> None:
    monkeypatch.setenv("SCHEDULO_MEDIA_QUEUE", named)
    settings.cache_clear()
    try:
        assert prepare_options().get("queue") == queue
    finally:
        settings.cache_clear()
