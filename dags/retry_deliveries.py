"""
### Try posts again

Makes posts that failed claimable again: the next run of **publish_due_posts** takes them, in the order in
which they were due and with a gap between two posts of one account. Choose by any of the fields; a post must
fit all that are filled. Without *states* only what failed is chosen, unless deliveries or posts are named.

Mend the cause first. What is out is never sent again; what nobody knows the outcome of is looked up once more
(to say what you saw yourself, use **resolve_delivery**). With **dry run** nothing is done: the log of
**retry** says what would happen to each. For programs: the XCom `answers` of **retry** holds the same.

What it reads and writes, what can go wrong, what to do: docs/workflows/retry-deliveries.md
"""

from airflow.sdk import DAG, Param

from operators import forms
from operators.by_hand import RetryDeliveriesOperator
from operators.deadline import done_within

with DAG(
    dag_id="retry_deliveries",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(15),
    params={
        **forms.chosen(),
        "platforms": forms.platforms(),
        "error_kinds": forms.error_kinds(),
        "states": forms.states(),
        "since": Param(
            "",
            type=["string", "null"],
            title="Since",
            description="They came to rest since then: 2026-12-24T17:00:00Z, or 2 hours.",
        ),
        "limit": Param(
            100,
            type="integer",
            minimum=1,
            maximum=forms.MOST,
            title="At most",
            description="So many posts, those that were due first; 1 to 1000.",
        ),
        "dry_run": forms.dry_run(),
    },
) as dag:
    RetryDeliveriesOperator(task_id="retry")
