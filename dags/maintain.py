"""
### Maintain

Removes every day what nothing needs any more: the stories, steps and runs of posts that have long been out,
incidents that are over, single readings of numbers, and media of posts that have long been out (**remove**);
then lets the database give back the room (**vacuum**). The logs say how much went.

- What may still be asked for stays: posts that failed, were missed, cancelled or held, what is out and not
  whole, what nobody knows of. So does every post's identity, and all that was sent.
- How long things are kept is set by `SCHEDULO_HISTORY_DAYS`, `SCHEDULO_MEDIA_DAYS` and
  `SCHEDULO_READINGS_DAYS`.
- Trigger it with *Dry run* to see what would go. It may be stopped, cleared and repeated at any time.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from operators.deadline import done_within
from operators.maintain import RemoveOperator, VacuumOperator

with DAG(
    dag_id="maintain",
    schedule="40 3 * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["maintenance"],
    doc_md=__doc__,
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Change nothing; say what would go."
        ),
    },
    deadline=done_within(240, "operators.deadline.upkeep_is_late"),
) as dag:
    upkeep = {"dry_run": "{{ params.dry_run }}", "retries": 2, "retry_delay": timedelta(minutes=5)}
    RemoveOperator(task_id="remove", **upkeep) >> VacuumOperator(task_id="vacuum", **upkeep)
