"""
### Emergency stop

Stops posts at once, also those that wait for their second: everything, one platform, one account or one
post. Pausing a Dag does not do that. What is on its way already cannot be called back; the log of **stop**
names it, and what waits.

With the action **release** the hold ends. What waited goes out then, in the order in which it was due and
with a gap between two posts of one account; what is too late by its own rule becomes *Missed*. For programs:
the XComs `summary` and `answers` of **stop** hold the same.

What it reads and writes, what can go wrong, what to do: docs/workflows/emergency-stop.md
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from operators import forms
from operators.by_hand import EmergencyStopOperator
from operators.deadline import done_within

with DAG(
    dag_id="emergency_stop",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(5),
    params={
        "action": Param(
            "hold",
            type="string",
            enum=["hold", "release"],
            values_display={"hold": "Hold: stop it now", "release": "Release: end the hold"},
            title="Action",
            description="What is released goes out at once where its second is over.",
        ),
        "what": Param(
            "everything",
            type="string",
            pattern=forms.HELD,
            title="What",
            description="everything, platform:x, account:x:123 (platform and the platform's own id), or "
            "post:rec... (the record id of its row in Posts).",
        ),
        "reason": Param(
            "",
            type=["string", "null"],
            title="Reason",
            description="For people who ask why nothing goes out. Needed to hold.",
        ),
        "dry_run": forms.dry_run("Only say what would be stopped, or let go."),
    },
) as dag:
    EmergencyStopOperator(task_id="stop", retries=2, retry_delay=timedelta(seconds=2), priority_weight=1000)
