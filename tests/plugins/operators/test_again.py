"""When a task is tried again: one that works on several accounts, and one that does what was asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from operators.again import AccountsRetryPolicy, AskedRetryPolicy
from operators.collect import collect_options
from operators.logins import login_options
from schedulo.analytics.rounds import NotCollected
from schedulo.delivery.holds import HoldError
from schedulo.planning.wishes import RefusedError, WishError
from schedulo.tokens.watch import NotWatched


@pytest.mark.parametrize(
    ("error", "tries", "action", "delay_s"),
    [
        (NotCollected("x acme: limit", again=True, wait_s=130), 1, RetryAction.RETRY, 130),
        (NotCollected("x acme: limit", again=True, wait_s=3601), 1, RetryAction.FAIL, None),
        (NotCollected("x acme: down", again=True), 1, RetryAction.RETRY, 60),
        (NotWatched("x:1: down", again=True), 2, RetryAction.RETRY, 240),
        (NotCollected("x acme: down", again=True), 3, RetryAction.RETRY, 960),
        (NotWatched("x:1: not set up", again=False), 1, RetryAction.FAIL, None),
        (RuntimeError("a fault"), 1, RetryAction.DEFAULT, None),
    ],
)
def test_what_may_pass_is_tried_again_when_the_platform_says_so(
    error: Exception, tries: int, action: RetryAction, delay_s: float | None
) -> None:
    decision = AccountsRetryPolicy(3600).evaluate(error, tries, 3)
    assert decision.action is action
    assert decision.retry_delay == (None if delay_s is None else timedelta(seconds=delay_s))


@pytest.mark.parametrize(
    ("policy", "longest_s"),
    [(collect_options(1, 600)["retry_policy"], 600), (login_options()["retry_policy"], 1200)],
)
def test_what_a_later_run_does_itself_is_not_waited_for(policy: AccountsRetryPolicy, longest_s: int) -> None:
    kept = AccountsRetryPolicy.deserialize(policy.serialize())
    for wait_s, action in ((longest_s, RetryAction.RETRY), (longest_s + 1, RetryAction.FAIL)):
        assert kept.evaluate(NotWatched("x:1: limit", again=True, wait_s=wait_s), 1, 2).action is action


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (WishError("posts ('abc'): it must be a list of record ids"), RetryAction.FAIL),
        (RefusedError("posts (rec1): none has a delivery"), RetryAction.FAIL),
        (HoldError("account:x:9: there is none"), RetryAction.FAIL),
        (OSError("the database is away"), RetryAction.DEFAULT),
    ],
)
def test_what_was_refused_is_not_asked_again(error: Exception, action: RetryAction) -> None:
    assert AskedRetryPolicy.deserialize(AskedRetryPolicy().serialize()).evaluate(error, 1, 1).action is action
