"""
### Try posts again

Makes posts that failed claimable again: the next run of **publish_due_posts** takes them, in the order in
which they were due and with a gap between two posts of one account. Choose by any of the fields; a post must
fit all that are filled. Without *states* only what failed is chosen, unless deliveries or posts are named.

Mend the cause first. What is out is never sent again; what nobody knows the outcome of is looked up once more
(to say what you saw yourself, use **resolve_delivery**). With **dry run** nothing is done: the log of
**retry** says what would happen to each. For programs: the XCom `answers` of **retry** holds the same.
"""

from airflow.sdk import DAG, Param

from operators.by_hand import RetryDeliveriesOperator


def texts(title: str, description: str) -> Param:
    kind = ["array", "null"]
    return Param([], type=kind, items={"type": "string"}, title=title, description=description)


with DAG(
    dag_id="retry_deliveries",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    params={
        "deliveries": texts("Deliveries", "Ids, one a line: the column Key of Deliveries."),
        "posts": texts("Posts", "Record ids of rows in Posts, one a line (rec...)."),
        "accounts": texts("Accounts", "Account keys, one a line, such as x:123."),
        "platforms": texts("Platforms", "instagram, tiktok, x, facebook; one a line."),
        "error_kinds": texts("Kinds of error", "As the page of errors names them, such as platform_down."),
        "states": texts("States", "failed, missed, cancelled, unresolved, published_incomplete; one a line."),
        "since": Param(
            "",
            type=["string", "null"],
            title="Since",
            description="They came to rest since then: 2026-12-24T17:00:00Z, or 2 hours.",
        ),
        "limit": Param(100, type="integer", minimum=1, maximum=1000, title="At most"),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only say what would be done."),
    },
) as dag:
    RetryDeliveriesOperator(task_id="retry")
