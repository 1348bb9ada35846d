"""
### Take posts down, or change them

For posts that are out. Choose by posts or deliveries, and by accounts if it is only for some of them.

- **take_down**: X, Facebook, and Instagram accounts that are connected by Facebook Login. A thread goes
  whole. What is not out yet is cancelled instead. To publish again what was taken down, make a new row.
- **edit**: Facebook posts get the text that their row has now. Elsewhere it is not possible.

What a platform does not let be done is said in the answer, with what to do instead. With **dry run** nothing
is done: the log says what would be. What cannot be done at once (a limit, a platform that is down) is done
later by **look_after_posts**. For programs: the XCom `answers` of **take_down** holds an entry a delivery.

What it reads and writes, what can go wrong, what to do: docs/workflows/take-down-posts.md
"""

from airflow.sdk import DAG, Param

from operators import forms
from operators.after import TakeDownOperator
from operators.deadline import done_within

with DAG(
    dag_id="take_down_posts",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(30),
    params={
        "action": Param(
            "take_down",
            type="string",
            enum=["take_down", "edit"],
            values_display={"take_down": "Take it down", "edit": "Give it the text that its row has now"},
            title="What?",
            description="Down: X, Facebook, Instagram by Facebook Login. New text: Facebook alone.",
        ),
        **forms.chosen(),
        "dry_run": forms.dry_run(),
    },
) as dag:
    TakeDownOperator(task_id="take_down")
