"""Which tasks of ours tell people when they fail, which runs when they are late, and when that is over.

One incident a task, however often it fails. Most trouble has an incident of its own, which names the cause
and who can mend it: tasks that see to that themselves are never told of here, or people would be told twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePath

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, incident, over, replaced
from schedulo.delivery.watched import what_stops_all
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import incidents

PUBLISHES = "publish_due_posts"
RUN = "run"
"""Stands for a task's name where a whole run is late."""
TELL_THEMSELVES = frozenset(
    {
        ("publish_due_posts", "sync"),  # a minute later by the next; then checks of the health
        ("publish_due_posts", "publish"),  # what became of each post
        ("publish_now", "publish"),
        ("follow_changes", "publish"),
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


def late(connection: sa.Connection, now_ms: int, dag_id: str, run_id: str, minutes: int) -> None:
    """A run of a Dag of ours is not done in time. Where nothing runs at all, that is told and no run of it.

    :param minutes: how long after it was made
    """
    if what_stops_all(connection) is not None:
        return
    sentence = f"the run {run_id} of {dag_id} is not done {minutes} minutes after it was made"
    incident(connection, now_ms, Trouble.WORKFLOW, sentence, actor=Actor.OPERATOR, about=f"{dag_id}.{RUN}")


MANY = 3
"""So many files that cannot be read for one error have one cause: something that all of them import."""
SEVERAL = "several"


def files(connection: sa.Connection, now_ms: int, broken: Mapping[str, str]) -> list[str]:
    """Open an incident for each Dag file that cannot be read, or one for many with the same error, and close
    it when they can be; answers what changed, as lines.

    :param broken: paths, each with the class of its error; its words are on Airflow's page alone
    """
    begins = f"{Trouble.DAG_FILE}:"
    query = sa.select(incidents.c.key).where(
        incidents.c.kind == Trouble.DAG_FILE, incidents.c.closed_ms.is_(None)
    )
    known = {key.removeprefix(begins) for key in connection.execute(query).scalars()}
    found = _causes(broken)
    for about in sorted(found.keys() - known):
        sentence = (
            f"{found[about]}: no run of {'their' if SEVERAL in about.split(':') else 'its'} Dags begins"
        )
        incident(connection, now_ms, Trouble.DAG_FILE, sentence, actor=Actor.OPERATOR, about=about)
    lines = [found[about] for about in sorted(found.keys() - known)]
    for about in sorted(known - found.keys()):
        path = about.partition(":")[2]
        if path in broken:  # it is one of many now
            replaced(connection, now_ms, Trouble.DAG_FILE, about, untold=True)
            continue
        over(connection, now_ms, Trouble.DAG_FILE, about)
        many = SEVERAL in about.split(":")
        lines.append("most Dag files can be read again" if many else f"{path} can be read again")
    return lines


def _causes(broken: Mapping[str, str]) -> dict[str, str]:
    """By what an incident is about, what cannot be read. A file's name comes first, which is that of its Dag,
    whose silence is then not told as well; of many, that of the one that publishes."""
    by_error: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(broken):
        by_error[broken[path]].append(path)
    found = {}
    for error, paths in by_error.items():
        if len(paths) >= MANY:
            first = next((path for path in paths if PurePath(path).stem == PUBLISHES), None)
            about = f"{SEVERAL}:{error}" if first is None else f"{PUBLISHES}:{SEVERAL}:{error}"
            found[about] = f"{first or paths[0]} and {len(paths) - 1} other files cannot be read ({error})"
            continue
        for path in paths:
            found[f"{PurePath(path).stem}:{path}"] = f"{path} cannot be read ({error})"
    return found


def error_of(stacktrace: str) -> str:
    """The class of the error at the end of a stack trace: what follows it may hold anything."""
    lines = [line for line in stacktrace.splitlines() if line and not line[0].isspace()]
    found = re.match(r"[A-Za-z_][\w.]*", lines[-1]) if lines else None
    return found[0].rpartition(".")[2] if found else "no reason given"


def told_late(connection: sa.Connection) -> dict[str, int]:
    """The Dags of which a run is late and not known to have ended, each with when that was seen last (ms)."""
    begins, ends = f"{Trouble.WORKFLOW}:", f".{RUN}"
    query = sa.select(incidents.c.key, incidents.c.last_ms).where(
        incidents.c.kind == Trouble.WORKFLOW, incidents.c.closed_ms.is_(None)
    )
    return {
        row.key.removeprefix(begins).removesuffix(ends): row.last_ms
        for row in connection.execute(query)
        if row.key.endswith(ends)
    }


def ended(connection: sa.Connection, now_ms: int, dag_id: str) -> None:
    """A run of a Dag is done, well or not; whoever was told that it is late is told that."""
    over(connection, now_ms, Trouble.WORKFLOW, f"{dag_id}.{RUN}")


def went_well(connection: sa.Connection, now_ms: int, dag_id: str, task_id: str) -> None:
    """It succeeded, and what was told of it is over."""
    over(connection, now_ms, Trouble.WORKFLOW, f"{dag_id}.{task_id}")
