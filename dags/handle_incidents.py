"""
### Handle incidents

Tells people what went wrong, to which posts, what is being done and who must act, and tells them when it is
over. A run of `publish_due_posts` wakes it by the asset `schedulo://incidents` when there is something
to tell; every quarter of an hour it looks by itself.

- One cause is one message, however many posts it hit. While it lasts, people are told again at growing
  intervals; a post that failed is always told.
- Who is told is set by `SCHEDULO_NOTIFY_OPERATOR`, `SCHEDULO_NOTIFY_OWNER` and `SCHEDULO_NOTIFY_AUTHOR`.
- A channel that fails is tried again by a later run; it does not make this one red. The log says what was
  told.

What it reads and writes, what can go wrong, what to do: docs/workflows/handle-incidents.md
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable

from operators.deadline import done_within
from operators.notify import INCIDENTS_URI, NotifyOperator

with DAG(
    dag_id="handle_incidents",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=[Asset(INCIDENTS_URI)]
    ),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["incidents"],
    doc_md=__doc__,
    deadline=done_within(15),
) as dag:
    NotifyOperator(task_id="tell", retries=1, retry_delay=timedelta(seconds=30))
