"""
### Look after posts

For posts that are out. Every hour, and as soon as somebody asks for something.

- **carry_out** takes down and changes what people asked for in Airtable or by command, and what could not be
  done at once before.
- **heard** looks into what TikTok told by webhook: it asks for the link of a post that is public now, and
  about a login that was taken away.
- **still_there** looks whether posts are still on their platforms, each once a day for a month
  (`SCHEDULO_STILL_THERE_S`, `SCHEDULO_STILL_THERE_DAYS`). What two looks an hour apart do not find is told as
  no longer there. It is never sent again.

A platform or an account that cannot be read is named in the log and asked again by a later run.

What it reads and writes, what can go wrong, what to do: docs/workflows/look-after-posts.md
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable

from operators.after import REQUESTS_URI, CarryOutOperator, HeardOperator, StillThereOperator
from operators.deadline import done_within
from operators.notify import INCIDENTS_ALIAS

with DAG(
    dag_id="look_after_posts",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("17 * * * *", timezone="UTC"), assets=[Asset(REQUESTS_URI)]
    ),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 1, "retry_delay": timedelta(seconds=30)},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(60),
) as dag:
    (
        CarryOutOperator(task_id="carry_out")
        >> HeardOperator(task_id="heard", outlets=[INCIDENTS_ALIAS])
        >> StillThereOperator(task_id="still_there")
    )
