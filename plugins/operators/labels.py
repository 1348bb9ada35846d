"""Shows platform, account and title on every mapped publish task in Airflow, also while it waits.

Airflow renders such labels on a worker only, and a post that goes well never sees one. This is a cluster
policy (entry point `airflow.policy`) that the scheduler calls when it makes a task instance. The policy is
public, the attribute that it sets is not: where Airflow drops it, instances show their number again and
nothing else happens. It must never raise or take long: one query a run.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any

from airflow.policies import hookimpl

log = logging.getLogger(__name__)

PUBLISHING = ("publish_due_posts", "publish_now", "follow_changes")
"""The Dags with a mapped `publish`, one instance a post."""
RUNS_KEPT = 100
LONGEST = 250
"""The column's length in Airflow's database."""
_labels: OrderedDict[str, dict[int, str]] = OrderedDict()
_ledger: Any = None


@hookimpl
def task_instance_mutation_hook(task_instance: Any) -> None:
    """Set the label of a mapped `publish` instance."""
    if task_instance.task_id != "publish" or task_instance.map_index < 0:
        return
    if task_instance.dag_id not in PUBLISHING:
        return
    try:
        label = _of_run(task_instance.run_id).get(task_instance.map_index)
    except Exception:  # whatever is wrong with the ledger, the scheduler goes on
        log.warning("the labels of run %s could not be read", task_instance.run_id, exc_info=True)
        return
    if label and hasattr(task_instance, "_rendered_map_index"):
        task_instance._rendered_map_index = label[:LONGEST]


def _of_run(run_id: str) -> dict[int, str]:
    global _ledger
    if run_id not in _labels:
        from schedulo.delivery.claims import claims_of
        from schedulo.ledger.database import Ledger
        from schedulo.settings import settings

        _ledger = _ledger or Ledger(settings().ledger)
        with _ledger.read() as connection:
            found = {claim.map_index: claim.label for claim in claims_of(connection, run_id)}
        if not found:
            return found
        _labels[run_id] = found
        while len(_labels) > RUNS_KEPT:
            _labels.popitem(last=False)
    return _labels[run_id]
