"""Collects numbers: which accounts, each of them, and how the day stands at the end."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.sdk import Asset, BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from operators.again import AskedRetryPolicy, accounts_options
from operators.mode import skip_where_nothing_is_asked

DAILY_URI = "schedulo://analytics/daily"
DAILY = Asset(DAILY_URI)
"""Updated once a day is collected; the event's partition is the day."""


def in_the_background() -> dict[str, Any]:
    """What every task has that deals with numbers: of those that wait for a worker it is the last.

    Other tasks weigh 1 and more; what follows a task would count as well.
    """
    return {"priority_weight": 0, "weight_rule": "absolute"}


def collect_options(retries: int = 3, longest_s: float = 3600.0) -> dict[str, Any]:
    """How a collecting task tries again, what it is called and what it weighs; for `partial`."""
    return accounts_options(retries, longest_s) | in_the_background()


class FindAccountsOperator(BaseOperator):
    """
    Find the accounts that had posts out, or were active, on the day of the run.

    The day is the run's partition; without one it is the field `date` of its configuration, else yesterday in
    UTC. Returns the parts for `CollectOperator`; leaves the XComs `date`, `accounts` and `not_over`: accounts
    on whose clock the day still runs.

    :raises WishError: for a day that cannot be understood or is not over anywhere.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(retry_policy=AskedRetryPolicy(), **kwargs)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from hooks.ledger import LedgerHook
        from schedulo.analytics import asked
        from schedulo.analytics.days import accounts_of
        from schedulo.settings import settings

        # Params hold the form's defaults; unknown fields are in the configuration only.
        conf = dict(context["params"]) | (context["dag_run"].conf or {})
        ledger = LedgerHook().get_conn()
        try:
            with ledger.read() as connection:
                now_ms = ledger.now_ms(connection)
                day = asked.day_asked(context.get("partition_key"), conf, now_ms)
                found, running = asked.over(connection, accounts_of(connection, day, settings()), day, now_ms)
                parts = asked.parts(connection, found, [day])
                names = asked.labels(connection, running)
        finally:
            ledger.close()
        self.log.info("%s: %d accounts are to be collected", day, len(found))
        for name in names.values():
            self.log.info("%s: its day is not over; it is left out", name)
        instance = context["ti"]
        instance.xcom_push("date", day.isoformat())
        instance.xcom_push("accounts", found)
        instance.xcom_push("not_over", running)
        return [part.to_json() for part in parts]


class FindDueOperator(BaseOperator):
    """
    Find the accounts whose day has just ended, and those with young posts that are to be read.

    Returns the parts for `CollectOperator`; none where nothing is due.
    """

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from hooks.ledger import LedgerHook
        from schedulo.analytics import asked
        from schedulo.analytics.days import due
        from schedulo.settings import settings

        ledger = LedgerHook().get_conn()
        try:
            with ledger.read() as connection:
                found = due(connection, ledger.now_ms(connection), settings())
                parts = asked.parts_of_due(connection, found)
        finally:
            ledger.close()
        self.log.info("%d accounts are to be read", len(found))
        return [part.to_json() for part in parts]


class CollectOperator(BaseOperator):
    """
    Read the numbers of some accounts, each for itself, and keep them.

    Repeating it asks only for what is missing and changes nothing that was measured.

    :param part: what `FindAccountsOperator` or `FindDueOperator` found.

    :raises NotCollected: an account could not be read; what was read is kept.
    """

    def __init__(self, *, part: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part

    def execute(self, context: Context) -> dict[str, Any]:
        from hooks.engine import measure_means
        from hooks.ledger import LedgerHook
        from schedulo.analytics.asked import Part
        from schedulo.analytics.rounds import collect_part

        skip_where_nothing_is_asked()
        part = Part.from_json(self.part)
        context["label"] = part.label  # type: ignore[typeddict-unknown-key]
        ledger = LedgerHook().get_conn()
        try:
            done = asyncio.run(collect_part(measure_means(ledger), part, self.log.info))
        finally:
            ledger.close()
        return done.to_json()


class CloseDayOperator(BaseOperator):
    """
    Say what is still missing of the day, and tell those who wait for it.

    Updates the asset `schedulo://analytics/daily`, with the day as its partition and the extra `date`,
    `accounts` and `failed`. It does so too where accounts failed: what they lack is empty, never 0.

    :param find: the task that found the accounts.

    :raises NotCollected: nothing at all could be collected; nobody is told.
    :raises AirflowSkipException: somewhere the day is not over yet; a later run of the day tells.
    """

    def __init__(self, *, find: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.find = find

    def execute(self, context: Context) -> dict[str, Any]:
        from datetime import date

        from hooks.ledger import LedgerHook
        from schedulo.analytics.closing import closed
        from schedulo.analytics.rounds import NotCollected, close_day
        from schedulo.clock import now_ms

        pull = context["ti"].xcom_pull
        day = pull(task_ids=self.find, key="date")
        if day is None:
            raise NotCollected(f"{self.find} found no accounts; see its log", again=False)
        ledger = LedgerHook().get_conn()
        try:
            with ledger.read() as connection:
                told = closed(connection, date.fromisoformat(day), pull(task_ids=self.find, key="accounts"))
            close_day(ledger, told, now_ms())
        finally:
            ledger.close()
        self.log.info(told.sentence())
        for line in told.lines:
            self.log.info(line)
        if told.in_vain:
            raise NotCollected(f"{day}: no account could be collected; see their logs", again=False)
        if running := pull(task_ids=self.find, key="not_over"):
            raise AirflowSkipException(f"{day} is not over for {len(running)} accounts; nobody is told of it")
        event = context["outlet_events"][DAILY]
        event.extra = told.to_json()
        if not context.get("partition_key"):
            event.add_partitions(day)
        return told.to_json()
