"""
### Check the health

Every five minutes: is everything there that publishing needs? The ledger, Airtable and its base, platforms,
logins, Airflow's own parts, disk, media, clocks. And does it do its work: the queue, lateness, every Dag.

- What is red is told as an incident, once for each cause, and told again when it is over. It does not make a
  run red: that is one whose checking failed, such as without the ledger; then operators are told from here.
- The log of **check** says what each check found; `/schedulo/health` says how it stands, and when checks
  stop, that too. `schedulo health` makes them by hand.
- The page docs/workflows/check-health.md says what to do about each.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from operators.deadline import done_within
from operators.health import CheckHealthOperator
from operators.notify import INCIDENTS_ALIAS

with DAG(
    dag_id="check_health",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 1, "retry_delay": timedelta(seconds=20)},
    tags=["maintenance"],
    doc_md=__doc__,
    deadline=done_within(10, "operators.health.check_is_late"),
) as dag:
    CheckHealthOperator(task_id="check", outlets=[INCIDENTS_ALIAS])
