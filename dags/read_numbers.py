"""
### Read numbers

Every hour, and only where something is due: the numbers of posts that are young (`SCHEDULO_ANALYTICS_YOUNG`;
less often while they do not move), and the day of each account that has just ended on its own clock, so that
its numbers are those of its end. Where nothing is due, **read** is skipped.

- **read** has one instance for each account. A red one names its account and the cause; the next hour's run
  asks again, and **collect_analytics** once more when the day is over everywhere.
- **tell_numbers** writes into Airtable which numbers have changed, every six hours at the most.

What it reads and writes, what can go wrong, what to do: docs/workflows/analytics.md
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from operators.collect import CollectOperator, FindDueOperator, collect_options, in_the_background
from operators.deadline import done_within
from operators.tell_numbers import YOUNG_EVERY_S, TellNumbersOperator

with DAG(
    dag_id="read_numbers",
    schedule=CronTriggerTimetable("7 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 1, "retry_delay": timedelta(seconds=30)},
    tags=["analytics"],
    doc_md=__doc__,
    deadline=done_within(90),
) as dag:
    find = FindDueOperator(task_id="find_due", **in_the_background())
    options = collect_options(retries=1, longest_s=600)  # the next hour's run asks again
    read = CollectOperator.partial(task_id="read", max_active_tis_per_dag=1, **options).expand(
        part=find.output
    )
    read >> TellNumbersOperator(
        task_id="tell_numbers",
        every_s=YOUNG_EVERY_S,
        trigger_rule="all_done_min_one_success",
        **in_the_background(),
    )
