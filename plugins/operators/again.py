"""When a task is tried again: one that works on several accounts, and one that does what was asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Context
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

FIRST_PAUSE_S = 60.0
"""Before the second try; each further pause is four times as long."""


class AccountsRetryPolicy(RetryPolicy):
    """Again where that may help, when the platform says so; what only people can mend is not tried again.

    :param longest_s: what waits longer is left to a later run.
    """

    def __init__(self, longest_s: float) -> None:
        self.longest_s = longest_s

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        from schedulo.errors.partly import NotAllDone

        if not isinstance(exception, NotAllDone):
            return RetryDecision.default()
        if not exception.again:
            return RetryDecision.fail(reason=str(exception))
        pause_s = FIRST_PAUSE_S * 4 ** (max(try_number, 1) - 1)
        wait_s = pause_s if exception.wait_s is None else exception.wait_s
        if wait_s > self.longest_s:
            return RetryDecision.fail(reason=f"{exception} (again in {wait_s:.0f} s; a later run asks)")
        return RetryDecision.retry(timedelta(seconds=wait_s), reason=str(exception))

    def serialize(self) -> dict[str, Any]:
        return {"longest_s": self.longest_s}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> AccountsRetryPolicy:
        return cls(**data)


class AskedRetryPolicy(RetryPolicy):
    """What was refused is refused again: whoever asked hears it at once. All else is tried again."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        from schedulo.delivery.holds import HoldError
        from schedulo.planning.wishes import RefusedError

        if isinstance(exception, RefusedError | HoldError):
            return RetryDecision.fail(reason=str(exception))
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> AskedRetryPolicy:
        return cls()


def accounts_options(retries: int, longest_s: float) -> dict[str, Any]:
    """How such a task tries again, and what it is called; for `partial`."""
    return {
        "retries": retries,
        "retry_delay": timedelta(seconds=FIRST_PAUSE_S),
        "retry_policy": AccountsRetryPolicy(longest_s),
        "map_index_template": "{{ label }}",
    }
