"""When a login's task is tried again, and how accounts are shared out among instances."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from airflow.sdk.definitions.retry_policy import RetryAction

from operators.deadline import logins_are_late
from operators.logins import LoginRetryPolicy
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.settings import Settings, settings
from schedulo.tokens.watch import NotWatched, survey


@pytest.mark.parametrize(
    ("error", "tries", "action", "delay_s"),
    [
        (NotWatched("x:1: limit", again=True, wait_s=130), 1, RetryAction.RETRY, 130),
        (NotWatched("x:1: limit", again=True, wait_s=1201), 1, RetryAction.FAIL, None),
        (NotWatched("x:1: down", again=True), 1, RetryAction.RETRY, 60),
        (NotWatched("x:1: down", again=True), 2, RetryAction.RETRY, 240),
        (NotWatched("x:1: not set up", again=False), 1, RetryAction.FAIL, None),
        (RuntimeError("a fault"), 1, RetryAction.DEFAULT, None),
    ],
)
def test_what_may_pass_is_tried_again_before_the_next_hour(
    error: Exception, tries: int, action: RetryAction, delay_s: float | None
) -> None:
    decision = LoginRetryPolicy.deserialize(LoginRetryPolicy().serialize()).evaluate(error, tries, 2)
    assert decision.action is action
    assert decision.retry_delay == (None if delay_s is None else timedelta(seconds=delay_s))


def test_a_run_that_is_late_is_told_and_the_next_one_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", url)
    settings.cache_clear()
    ledger = Ledger(url)
    ledger.migrate()
    logins_are_late(45, context={"dag_run": {"dag_run_id": "scheduled__1"}})
    with ledger.read() as connection:
        [sentence] = connection.execute(sa.select(incidents.c.sentence)).scalars()
    assert "scheduled__1 is not done 45 minutes after it was due" in sentence
    assert survey(ledger, Settings(), print) == []
    with ledger.read() as connection:
        assert connection.execute(sa.select(incidents.c.closed_ms)).scalar_one() is not None
    ledger.close()
    settings.cache_clear()
