"""
### Maintain

Removes every day what nothing needs any more: the stories, steps and runs of posts that have long been out,
incidents that are over, single readings of numbers, and media of posts that have long been out (**remove**);
then lets the database give back the room (**vacuum**). The logs say how much went. Makes the report of
yesterday's errors, and tells operators of it where somebody must act (**report_errors**).
Plans a text on the account that `SCHEDULO_SELF_TEST_ACCOUNT` names for tests (**self_test**):
publish_due_posts publishes it, check_health says what came of it.

- What may still be asked for stays: posts that failed, were missed, cancelled or held, what is out and not
  whole, what nobody knows of. So does every post's identity, and all that was sent.
- How long things are kept is set by `SCHEDULO_HISTORY_DAYS`, `SCHEDULO_MEDIA_DAYS` and
  `SCHEDULO_READINGS_DAYS`.
- A day's errors are at `/schedulo/reports/errors-<date>.html`, behind Airflow's login; told once. A day is
  one in the base's zone (`SCHEDULO_AIRTABLE_TIMEZONE`), and so is the time of this Dag.
- Trigger it with *Dry run* to see what would go. It may be stopped, cleared and repeated at any time.

What it reads and writes, what can go wrong, what to do: docs/workflows/maintain.md
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from operators.deadline import done_within
from operators.maintain import RemoveOperator, VacuumOperator
from operators.notify import INCIDENTS_ALIAS
from operators.report_errors import ReportErrorsOperator
from operators.self_test import SelfTestOperator
from operators.summarise import base_zone

with DAG(
    dag_id="maintain",
    schedule=CronTriggerTimetable("10 6 * * *", timezone=base_zone()),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maintenance"],
    doc_md=__doc__,
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Change nothing; say what would go."
        ),
    },
    deadline=done_within(240, "operators.deadline.upkeep_is_late"),
) as dag:
    dry = {"dry_run": "{{ params.dry_run }}"}
    RemoveOperator(task_id="remove", **dry) >> VacuumOperator(task_id="vacuum", **dry)
    ReportErrorsOperator(task_id="report_errors", outlets=[INCIDENTS_ALIAS])
    SelfTestOperator(task_id="self_test")
