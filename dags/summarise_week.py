"""
### Summarise the week

Every Monday at 07:00 in the base's zone (`SCHEDULO_AIRTABLE_TIMEZONE`): keeps the report of the week that has
ended, and tells those who look after the accounts (`SCHEDULO_NOTIFY_OWNER`) how it went: posts out and not
out, how punctual, growth against the week before where both are known, the best three posts, and what is not
known and why.

- The report is behind Airflow's login at `/schedulo/reports/`; the last 60 are kept. Who may see this DAG may
  see them.
- A week is told once, however often this runs: trigger it to make the report anew.
- What could not be sent is tried again by handle_incidents.

What it reads and writes, what can go wrong, what to do: docs/workflows/summarise-week.md
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from operators.deadline import done_within
from operators.notify import INCIDENTS_ALIAS
from operators.summarise import SummariseWeekOperator, base_zone

with DAG(
    dag_id="summarise_week",
    schedule=CronTriggerTimetable("0 7 * * 1", timezone=base_zone()),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["analytics"],
    doc_md=__doc__,
    deadline=done_within(60),
) as dag:
    SummariseWeekOperator(task_id="summarise", outlets=[INCIDENTS_ALIAS])
