"""
### Cancel posts

For posts that are not to go out, also those that wait for their second. Choose by any of the fields; a post
must fit all that are filled. Where only accounts are named it is all that is planned on them now; what is
planned later is not: to stop an account, hold it with **emergency_stop**.

What is on its way or out is refused; to take down what is out, use **take_down_posts**. A cancelled post goes
out only when somebody asks for it: by **retry_deliveries**, by *Retry* in Airtable, or by **publish_now**.
With **dry run** nothing is done: the log of **cancel** says what would be. For programs: the XCom `answers`
of **cancel** holds the same.

What it reads and writes, what can go wrong, what to do: docs/workflows/cancel-posts.md
"""

from datetime import timedelta

from airflow.sdk import DAG

from operators import forms
from operators.by_hand import CancelOperator
from operators.deadline import done_within

with DAG(
    dag_id="cancel_posts",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(15),
    params={
        **forms.chosen(),
        "dry_run": forms.dry_run(),
    },
) as dag:
    CancelOperator(task_id="cancel", retries=1, retry_delay=timedelta(seconds=2), priority_weight=500)
