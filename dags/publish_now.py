"""
### Publish now

Publishes named posts at once: by hand with the form, or by REST (`POST /api/v2/dags/publish_now/dagRuns`). A
post that is planned for later is moved to now, one that waits for its second too; what is out already is
answered with its link, never sent again.

With **dry run** everything is done except sending, and the log of **claim** says what would be sent. For
programs: the XCom `answers` of **claim** holds the same.

What it reads and writes, what can go wrong, what to do: docs/workflows/publish-now.md
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from operators import forms
from operators.deadline import done_within
from operators.publish import PublishOperator, publish_options
from operators.publish_now import ClaimNowOperator

with DAG(
    dag_id="publish_now",
    schedule=None,
    catchup=False,
    max_active_runs=60,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(15, "operators.deadline.run_is_late"),
    params={
        "posts": Param(
            [],  # a field without a default ends the triggerer: it reads them before the run's configuration
            type="array",
            items={"type": "string", "pattern": forms.RECORD_ID},
            maxItems=100,
            title="Posts",
            description="Record ids of rows in Posts, one a line (rec...). 1 to 100.",
        ),
        "accounts": forms.accounts(),
        "dry_run": forms.dry_run("Upload and prepare at the platform, and only say what would be sent."),
    },
) as dag:
    claim = ClaimNowOperator(task_id="claim", retries=1, retry_delay=timedelta(seconds=5))
    PublishOperator.partial(task_id="publish", priority_weight=100, **publish_options()).expand(
        delivery=claim.output
    )
