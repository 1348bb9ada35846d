"""Notes in the ledger when a task of ours went well, so that a Dag that is silent is noticed, and when it
failed, so that people are told. Cancels what an instance was to publish when a person marks the instance.

A listener of Airflow's, which tells it of every task of every Dag; it must neither raise nor take long.
Publishing leaves its own mark, and its instances leave none: in a burst they would be a write each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from airflow.listeners import hookimpl

from operators.labels import PUBLISHING

log = logging.getLogger(__name__)
OWNER = "schedulo"
TICKS = "publish_due_posts"


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Called in the process that ran the task, and elsewhere where a person marks one: that is no run."""
    if _marked(previous_state, task_instance):
        _cancel(task_instance, "success")
    if not _ran_here(task_instance) or task_instance.dag_id == TICKS or _publishes(task_instance):
        return
    dag_id, task_id = task_instance.dag_id, task_instance.task_id
    try:
        from schedulo.delivery.workflows import went_well
        from schedulo.ledger import marks

        if task_instance.task.owner == OWNER:
            _note(
                lambda connection, now_ms: (
                    marks.mark(connection, now_ms, f"ran:{dag_id}"),
                    went_well(connection, now_ms, dag_id, task_id),
                )
            )
    except Exception:  # whatever is wrong with the ledger, the task went well
        log.warning("it could not be noted that %s ran", dag_id, exc_info=True)


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """Called like the above, also when Airflow will try the task again: that is told of nobody. Nor is what
    was asked for wrongly: whoever asked is told by the run."""
    if _marked(previous_state, task_instance):
        _cancel(task_instance, "failed")
    if not _ran_here(task_instance) or task_instance.state != "failed":
        return
    dag_id, task_id, run_id = task_instance.dag_id, task_instance.task_id, task_instance.run_id
    try:
        from schedulo.delivery.holds import HoldError
        from schedulo.delivery.workflows import TELL_THEMSELVES, failed
        from schedulo.planning.wishes import RefusedError

        if isinstance(error, RefusedError | HoldError):
            return
        if task_instance.task.owner == OWNER and (dag_id, task_id) not in TELL_THEMSELVES:
            kind = type(error).__name__ if isinstance(error, BaseException) else "no reason given"
            _note(lambda connection, now_ms: failed(connection, now_ms, dag_id, task_id, run_id, kind))
    except Exception:  # the task's own failure is what its log must end with
        log.warning("people could not be told that %s failed", dag_id, exc_info=True)


@hookimpl
def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:
    """Called like the above."""
    if _marked(previous_state, task_instance):
        _cancel(task_instance, "skipped")


def _marked(previous_state: Any, task_instance: Any) -> bool:
    """Whether a person does it: the api-server does not say what the state was."""
    return previous_state is None and not _ran_here(task_instance)


def _cancel(task_instance: Any, state: str) -> None:
    """Where its trigger has begun, that hears of it as well (`PublishTrigger.on_kill`); here it does not
    matter whether one has."""
    if not _publishes(task_instance):
        return
    run_id, map_index = task_instance.run_id, task_instance.map_index
    reason = f"cancelled: its task was marked as {state} in Airflow"
    try:
        from schedulo.delivery.endings import cancel_instance

        _note(lambda connection, now_ms: cancel_instance(connection, now_ms, run_id, map_index, reason))
    except Exception:
        log.exception("publish %s of %s was marked, and its delivery not cancelled", map_index, run_id)


def _publishes(task_instance: Any) -> bool:
    return task_instance.dag_id in PUBLISHING and task_instance.task_id == "publish"


def _ran_here(task_instance: Any) -> bool:
    return type(task_instance).__name__ == "RuntimeTaskInstance"


def _note(what: Callable[[Any, int], Any]) -> None:
    from hooks.ledger import LedgerHook

    ledger = LedgerHook().unchecked()
    try:
        with ledger.begin() as connection:
            what(connection, ledger.now_ms(connection))
    finally:
        ledger.close()
