"""When a collecting task is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from operators.collect import CollectRetryPolicy
from schedulo.analytics.rounds import NotCollected


@pytest.mark.parametrize(
    ("error", "tries", "action", "delay_s"),
    [
        (NotCollected("x acme: limit", again=True, wait_s=130), 1, RetryAction.RETRY, 130),
        (NotCollected("x acme: limit", again=True, wait_s=3601), 1, RetryAction.FAIL, None),
        (NotCollected("x acme: down", again=True), 1, RetryAction.RETRY, 60),
        (NotCollected("x acme: down", again=True), 3, RetryAction.RETRY, 960),
        (NotCollected("x acme: reconnect", again=False), 1, RetryAction.FAIL, None),
        (RuntimeError("a fault"), 1, RetryAction.DEFAULT, None),
    ],
)
def test_what_may_pass_is_tried_again_when_the_platform_says_so(
    error: Exception, tries: int, action: RetryAction, delay_s: float | None
) -> None:
    decision = CollectRetryPolicy().evaluate(error, tries, 3)
    assert decision.action is action
    assert decision.retry_delay == (None if delay_s is None else timedelta(seconds=delay_s))


def test_what_an_hourly_run_does_itself_is_not_waited_for() -> None:
    waits = NotCollected("x acme: limit", again=True, wait_s=900)
    assert CollectRetryPolicy(longest_s=600).evaluate(waits, 1, 1).action is RetryAction.FAIL


def test_a_policy_survives_serialization() -> None:
    policy = CollectRetryPolicy(longest_s=600)
    assert CollectRetryPolicy.deserialize(policy.serialize()).longest_s == 600
