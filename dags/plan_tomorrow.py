"""
### Plan tomorrow

Looks once an hour whether what is planned until the end of tomorrow fits what the platforms take, and tells
the accounts' owners today what does not: how many posts there is room for, which do not fit, when they could
go out. It also warns of X's budget. Nothing is moved, and no platform is asked.

What was told is told once a day; it is over when all fits. Posts that do not fit wait by themselves, with the
reason in Deliveries. Clear or trigger it at any time.

What it reads and writes, what can go wrong, what to do: docs/workflows/plan-tomorrow.md
"""

from datetime import timedelta

from airflow.sdk import DAG

from operators.deadline import done_within
from operators.notify import INCIDENTS_ALIAS
from operators.quotas import PlanTomorrowOperator

with DAG(
    dag_id="plan_tomorrow",
    schedule="41 * * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(30),
) as dag:
    PlanTomorrowOperator(
        task_id="forecast", retries=2, retry_delay=timedelta(seconds=30), outlets=[INCIDENTS_ALIAS]
    )
