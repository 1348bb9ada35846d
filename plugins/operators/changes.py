"""Reads the rows of which was heard that somebody changed them, and is woken when there are any."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetWatcher, Context

from operators.sync import SyncOperator
from triggers.changes import ChangesTrigger

CHANGES = Asset(
    "schedulo://changes",
    watchers=[AssetWatcher(name="schedulo_changes", trigger=ChangesTrigger())],
)
"""Updated when rows of the base were changed."""


class FollowChangesOperator(SyncOperator):
    """
    Plan the changed rows and claim what is due at once.

    Returns the label of each delivery that the run claimed, wakes others and tells what keeps posts back as
    its base class does. An Airtable that does not answer does not fail it: what was changed waits, and the
    run of the minute tells of it.
    """

    def work(self, tick: Any, context: Context) -> list[Any]:
        return list(tick.follow(context["run_id"]))
