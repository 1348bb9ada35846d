"""What people do by hand in Airflow: try again, cancel, resolve, stop and release, plan maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.again import AskedRetryPolicy


@contextmanager
def refusals(context: Context) -> Iterator[None]:
    """Leave why a request was refused as the XCom `problem`, for programs; the task fails all the same."""
    from schedulo.delivery.holds import HoldError
    from schedulo.planning.wishes import RefusedError

    try:
        yield
    except (RefusedError, HoldError) as error:
        context["ti"].xcom_push("problem", str(error))
        raise


class ByHandOperator(BaseOperator):
    """Reads the run's configuration, does it on the ledger, and leaves the XCom `answers`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(retry_policy=AskedRetryPolicy(), **kwargs)

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook

        run = context["dag_run"]
        # Params hold the form's defaults; unknown fields are in the configuration only.
        conf = dict(context["params"]) | (run.conf or {})
        who = run.triggering_user_name or "somebody"
        ledger = LedgerHook().get_conn()
        try:
            with refusals(context):
                sentence, answers = self.act(ledger, conf, who)
        finally:
            ledger.close()
        self.log.info(sentence)
        for answer in answers:
            self.log.info("%s: %s", answer["delivery"], answer["answer"])
        context["ti"].xcom_push("summary", sentence)
        context["ti"].xcom_push("answers", answers)

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        """Do it; answers a sentence, and one entry a delivery."""
        raise NotImplementedError


class RetryDeliveriesOperator(ByHandOperator):
    """
    Make the chosen deliveries claimable again, so that the next minute's run takes them.

    The configuration: the fields of `schedulo.planning.by_hand.Retry`.

    :raises WishError: for a configuration that cannot be understood.
    """

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        from schedulo.planning.by_hand import Retry, retry
        from schedulo.settings import settings

        wished = Retry.read(conf)
        retried = retry(ledger, wished, f"by {who} with the Dag retry_deliveries", settings())
        return retried.sentence(dry_run=wished.dry_run), [_told(item) for item in retried.told]


class CancelOperator(ByHandOperator):
    """
    Cancel the chosen deliveries, so that they do not go out.

    The configuration: the fields of `schedulo.planning.by_hand.Cancel`.

    :raises WishError: for a configuration that cannot be understood.
    """

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        from schedulo.planning.by_hand import Cancel, cancel

        wished = Cancel.read(conf)
        cancelled = cancel(ledger, wished, f"by {who} with the Dag cancel_posts")
        return cancelled.sentence(dry_run=wished.dry_run), [_told(item) for item in cancelled.told]


class ResolveDeliveryOperator(ByHandOperator):
    """
    Do what a person who has looked says of an unresolved delivery.

    The configuration: `delivery`, `answer`, `link`, `dry_run`.

    :raises WishError: for a configuration that cannot be understood.
    :raises RefusedError: where the delivery's state, or the link, does not allow it; nothing was done.
    """

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        from schedulo.planning.by_hand import Resolve, resolve
        from schedulo.planning.wishes import RefusedError
        from schedulo.settings import settings

        wished = Resolve.read(conf)
        told = resolve(ledger, wished, f"by {who} with the Dag resolve_delivery", settings())
        if not told.done:
            raise RefusedError(f"{told.label}: {told.sentence}")
        return told.sentence, [_told(told)]


class EmergencyStopOperator(ByHandOperator):
    """
    Hold everything, a platform, an account or a post; or release it.

    The configuration: `action` (hold, release), `what`, `reason`, `dry_run`.

    :raises WishError: for a configuration that cannot be understood.
    :raises HoldError: for a platform or account that does not exist, and for a hold without a reason.
    """

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        from schedulo.planning.by_hand import Stop, stop

        answer = stop(ledger, Stop.read(conf), who)
        return answer.sentence, [
            {"delivery_id": item.delivery_id, "delivery": item.label, "answer": item.sentence}
            for item in answer.deliveries
        ]


class PlanMaintenanceOperator(ByHandOperator):
    """
    Plan, change or call off maintenance. Leaves the XCom `window`, its id, beside `summary` and `answers`.

    The configuration: the fields of `schedulo.planning.maintenance.FIELDS`.

    :raises WishError: for a configuration that cannot be understood, or a window that cannot be.
    """

    def execute(self, context: Context) -> None:
        self.window_id = ""
        super().execute(context)
        context["ti"].xcom_push("window", self.window_id)

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        from schedulo.clock import iso
        from schedulo.planning.maintenance import Maintain, maintain
        from schedulo.settings import settings

        answer = maintain(ledger, Maintain.read(conf), who, settings())
        self.window_id = answer.window_id
        return answer.sentence, [
            {
                "delivery_id": item.delivery_id,
                "delivery": item.label,
                "due": iso(item.due_ms),
                "answer": item.sentence,
            }
            for item in answer.posts
        ]


def _told(item: Any) -> dict[str, Any]:
    return {
        "delivery_id": item.delivery_id,
        "delivery": item.label,
        "what": item.deed.value,
        "answer": item.sentence,
        "permalink": item.permalink,
    }
