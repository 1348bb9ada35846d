"""
### Plan maintenance

A time in which nothing goes out: of everything, of platforms or of accounts. Posts that are due inside are
moved to its end, in the order in which they were due and with a gap between two posts of one account; or they
wait until a person asks for them again. A post may say itself what becomes of it (*In maintenance* in its
row), and a post that gets another time is out of it. People are told before and after.

- **plan**: *from* and *until*, with their zone; a reason.
- **change**: what is left empty stays as it is. A post that is no longer inside gets its own second back.
- **call_off**: the same for all; also while it goes on. What is past its second goes out at once.

Which window is meant need not be said where there is only one. What is on its way when it begins is let
finish. With **dry run** nothing is done: the log of **maintain** says what would become of each post. For
programs: the XComs `summary`, `answers` and `window` (its id) of **maintain** hold the same.

What it reads and writes, what can go wrong, what to do: docs/workflows/plan-maintenance.md
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from operators import forms
from operators.by_hand import PlanMaintenanceOperator
from operators.deadline import done_within

with DAG(
    dag_id="plan_maintenance",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing", "maintenance"],
    doc_md=__doc__,
    deadline=done_within(15),
    params={
        "action": Param(
            "plan",
            type="string",
            enum=["plan", "change", "call_off"],
            values_display={
                "plan": "Plan a window",
                "change": "Change one; what is left empty stays",
                "call_off": "Call one off, also while it goes on",
            },
            title="Action",
            description="To plan, fill From, Until and Reason. An empty Where means everything.",
        ),
        "window": Param(
            "",
            type=["string", "null"],
            pattern=r"^\s*[0-9a-f]*\s*$",
            title="Which",
            description="To change or call off: its id, as the answer to planning gave it.",
        ),
        "from": forms.moment("From", "Nothing goes out from then on."),
        "until": forms.moment("Until", "What was moved goes out then."),
        "where": forms.targets(),
        "posts": Param(
            "",
            type=["string", "null"],
            enum=["", "move", "hold", None],
            values_display={"": "As it is, or move", "move": "Move to the end", "hold": "Wait for a person"},
            title="Posts inside",
            description="move: they go out after the end. hold: they wait for a person. Empty: move.",
        ),
        "reason": Param(
            "",
            type=["string", "null"],
            maxLength=200,
            title="Reason",
            description="For people who ask why nothing goes out. Needed to plan.",
        ),
        "dry_run": forms.dry_run("Only say what would become of which post."),
    },
) as dag:
    PlanMaintenanceOperator(task_id="maintain", retries=1, retry_delay=timedelta(seconds=2))
