"""
### Follow changes

Reads the rows of the base that people have just changed, seconds after they saved them, and publishes what is
due at once. Woken by the asset `schedulo://changes`, which a watcher in the triggerer updates when Airtable's
webhook has told of changes. **follow** reads the rows and plans them, **publish** is that of
`publish_due_posts`. What is due later goes out with the run of its minute.

- Without the webhook it sleeps: changes are then seen by `publish_due_posts`, a minute later or so.
- A run that found nothing to publish is green, with **publish** skipped. Its log says what was read.
- Clear a failed **publish** instance once the cause is mended; what is out is never sent again.

What it reads and writes, what can go wrong, what to do: docs/workflows/follow-changes.md
"""

from datetime import timedelta

from airflow.sdk import DAG

from operators.after import REQUESTS_ALIAS
from operators.changes import CHANGES, FollowChangesOperator
from operators.deadline import done_within
from operators.notify import INCIDENTS_ALIAS
from operators.prepare import MEDIA_ALIAS
from operators.publish import PublishOperator, publish_options

with DAG(
    dag_id="follow_changes",
    schedule=[CHANGES],
    catchup=False,
    max_active_runs=60,  # a guard only: what waits longer than a minute is not claimed here
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(15, "operators.deadline.run_is_late"),
) as dag:
    follow = FollowChangesOperator(
        task_id="follow",
        priority_weight=100,
        retries=1,
        retry_delay=timedelta(seconds=5),
        outlets=[INCIDENTS_ALIAS, REQUESTS_ALIAS, MEDIA_ALIAS],
    )
    PublishOperator.partial(task_id="publish", priority_weight=100, **publish_options()).expand(
        delivery=follow.output
    )
