"""Which tasks of ours tell people when they fail, and when that is over.

One incident a task, however often it fails. Most trouble has an incident of its own, which names the cause
and who can mend it: tasks that see to that themselves are never told of here, or people would be told twice.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.errors.kinds import Actor

TELL_THEMSELVES = frozenset(
    {
        ("publish_due_posts", "sync"),  # a minute later by the next; then checks of the health
        ("publish_due_posts", "publish"),  # what became of each post
        ("publish_now", "publish"),
        ("prepare_posts", "prepare_soon"),  # posts whose media are late
        ("prepare_posts", "prepare"),
        ("monitor_tokens", "look_after"),  # logins that cannot be renewed
        ("collect_analytics", "collect"),  # numbers that could not be collected
        ("collect_analytics", "close_day"),
        ("read_numbers", "read"),
    }
)
"""Tasks whose failures are told in other words, or are made up for by their next run: (Dag, task)."""


def failed(
    connection: sa.Connection, now_ms: int, dag_id: str, task_id: str, run_id: str, error: str
) -> None:
    """A task of ours failed, and Airflow does not try it again.

    :param error: the class of what it raised; its words are in the task's log alone, whatever they hold
    """
    if (dag_id, task_id) in TELL_THEMSELVES:
        return
    sentence = f"{task_id} of {dag_id} failed ({error}) in the run {run_id}; its log says why"
    about = f"{dag_id}.{task_id}"
    incident(connection, now_ms, Trouble.WORKFLOW, sentence, actor=Actor.OPERATOR, about=about)


def went_well(connection: sa.Connection, now_ms: int, dag_id: str, task_id: str) -> None:
    """It succeeded, and what was told of it is over."""
    over(connection, now_ms, Trouble.WORKFLOW, f"{dag_id}.{task_id}")
