"""Publishes one delivery: starts in the triggerer, fails on a worker, is retried by its error's kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.triggers.base import StartTriggerArgs


class DeliveryFailed(Exception):
    """The delivery cannot go out as it is; a person must act."""


class DeliveryWaits(Exception):
    """The delivery is tried again by this task after `wait_s` seconds."""

    def __init__(self, sentence: str, wait_s: float) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


class DeliveryRetryPolicy(RetryPolicy):
    """The ledger has decided already; Airflow is told: again after the error's own pause, or not at all."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        if isinstance(exception, DeliveryWaits):
            return RetryDecision.retry(timedelta(seconds=exception.wait_s), reason=str(exception))
        if isinstance(exception, DeliveryFailed):
            return RetryDecision.fail(reason=str(exception))
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> DeliveryRetryPolicy:
        return cls()


def publish_options() -> dict[str, Any]:
    """How often a publish task tries again, and what it is called.

    For `partial`: of a mapped task Airflow keeps only what is given there. The policy decides, so `retries`
    is above what it ever asks for.
    """
    return {
        "retries": 3,
        "retry_delay": timedelta(seconds=60),
        "retry_policy": DeliveryRetryPolicy(),
        "map_index_template": "{{ label }}",
    }


class PublishOperator(BaseOperator):
    """
    Wait for the due second of one delivery and see it out.

    Which delivery it is, the run's claims say by the map index. Success ends in the triggerer. Clearing the
    task tries again by the rules, marking a waiting one as failed or success cancels its delivery.

    :param delivery: the delivery's label, for people.
    """

    start_from_trigger = True
    start_trigger_args = StartTriggerArgs(
        trigger_cls="triggers.publish.PublishTrigger", trigger_kwargs={}, next_method="resume"
    )

    def __init__(self, *, delivery: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.delivery = delivery

    def execute(self, context: Context) -> None:
        """Only `dag.test` comes here; the scheduler starts the trigger by itself."""
        from triggers.publish import PublishTrigger

        instance = context["ti"]
        trigger = PublishTrigger(context["run_id"], instance.map_index, str(instance.id))
        self.defer(trigger=trigger, method_name="resume")

    def resume(self, context: Context, event: Any) -> None:
        """
        Raise what the trigger found.

        :raises DeliveryWaits: the same task tries again after a pause.
        :raises DeliveryFailed: a person must act.
        """
        context["label"] = self.delivery  # type: ignore[typeddict-unknown-key]
        if not isinstance(event, dict):  # dag.test hands the events that end a task to here
            self.log.info("the delivery ended as %s", event)
            return
        for line in event["story"]:
            self.log.info(line)
        if event["end"] == "retry":
            raise DeliveryWaits(event["sentence"], event["wait_s"])
        raise DeliveryFailed(event["sentence"])
