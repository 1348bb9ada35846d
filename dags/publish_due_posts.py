"""
### Publish due posts

Runs every minute. **sync** claims the deliveries that are due in the next minutes from the ledger, reads what
changed in Airtable and tells it what became of earlier posts. **publish** has one instance for each claimed
delivery: it prepares the post, waits for its second in the triggerer, sends it once and finds its link.

- A post failed? Its instance is red and its log tells the story. Mend the cause, then *clear* the instance:
  it is tried again by the rules. What is out is never sent again.
- Stop one waiting post: mark its instance as failed or as success; its delivery is cancelled.
- Stop everything: set a hold (`schedulo hold everything --reason ...`). Pausing this DAG does not stop posts
  that are waiting for their second already.

What it reads and writes, what can go wrong, what to do: docs/workflows/publish-due-posts.md
"""

from datetime import timedelta

from airflow.sdk import DAG

from operators.after import REQUESTS_ALIAS
from operators.deadline import done_within
from operators.notify import INCIDENTS_ALIAS
from operators.prepare import MEDIA_ALIAS
from operators.publish import PublishOperator, publish_options
from operators.sync import SyncOperator

with DAG(
    dag_id="publish_due_posts",
    schedule="* * * * *",
    catchup=False,
    max_active_runs=60,  # a guard only: no instance waits longer than ten minutes
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(15, "operators.deadline.run_is_late"),
) as dag:
    sync = SyncOperator(
        task_id="sync",
        retries=2,
        retry_delay=timedelta(seconds=5),
        outlets=[INCIDENTS_ALIAS, REQUESTS_ALIAS, MEDIA_ALIAS],
    )
    # No time limits here: they would count from preparing on and lose results.
    PublishOperator.partial(task_id="publish", **publish_options()).expand(delivery=sync.output)
