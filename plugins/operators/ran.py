"""Leaves a mark in the ledger when a task of ours went well, so that a Dag that is silent is noticed.

A listener of Airflow's, which tells it of every task of every Dag; it must neither raise nor take long.
Publishing leaves its own mark, and its instances leave none: in a burst they would be a write each.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)
OWNER = "schedulo"
OTHERWISE = ("publish_due_posts", "publish_now")


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Called in the process that ran the task, and elsewhere where a person marks one: that is no run."""
    if type(task_instance).__name__ != "RuntimeTaskInstance" or task_instance.dag_id in OTHERWISE:
        return
    try:
        if task_instance.task.owner == OWNER:
            _mark(f"ran:{task_instance.dag_id}")
    except Exception:  # whatever is wrong with the ledger, the task went well
        log.warning("it could not be noted that %s ran", task_instance.dag_id, exc_info=True)


def _mark(name: str) -> None:
    from hooks.ledger import LedgerHook
    from schedulo.ledger import marks

    ledger = LedgerHook().unchecked()
    try:
        with ledger.begin() as connection:
            marks.mark(connection, ledger.now_ms(connection), name)
    finally:
        ledger.close()
