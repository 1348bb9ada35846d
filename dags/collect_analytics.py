"""
### Collect analytics

Keeps the numbers of posts and accounts, day by day. A run is for one day (its partition) and starts when that
day has ended everywhere; the day of an account is that of its own time zone.

- **find_accounts** lists who had posts out on that day, or was active.
- **collect** has one instance for each account (for several, beyond 500). It asks only for what is missing
  and changes nothing that was measured, so it may be cleared and repeated at any time.
- **close_day** says what is still missing, and why, and updates the asset `schedulo://analytics/daily`. It is
  red only if nothing at all could be collected.
- **tell_numbers** writes into Airtable which numbers have changed.

A red instance of **collect** names its account and the cause; it costs the others nothing. Collect a gap with
`airflow backfill create --dag-id collect_analytics --from-date ... --to-date ...`, both days included.

What it reads and writes, what can go wrong, what to do: docs/workflows/analytics.md
"""

from datetime import timedelta

from airflow.sdk import DAG, CronPartitionTimetable, DeadlineAlert, Param, SyncCallback
from pendulum import FixedTimezone

from operators.collect import (
    DAILY,
    CloseDayOperator,
    CollectOperator,
    FindAccountsOperator,
    collect_options,
    in_the_background,
)
from operators.deadline import SCHEDULED_RUN
from operators.tell_numbers import TellNumbersOperator

# The last clocks on Earth end their day at 12:00 UTC. On a clock half an hour behind them a day begins at
# 12:30 UTC: there a run's day is a plain date, and `--to-date` includes the day that it names.
LAST_CLOCK = FixedTimezone(-int(timedelta(hours=12, minutes=30).total_seconds()))

with DAG(
    dag_id="collect_analytics",
    schedule=CronPartitionTimetable("0 0 * * *", timezone=LAST_CLOCK, run_offset=-1, key_format="%Y-%m-%d"),
    catchup=False,
    max_active_runs=2,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 1, "retry_delay": timedelta(seconds=30)},
    tags=["analytics"],
    doc_md=__doc__,
    params={
        "date": Param(
            "",
            type=["string", "null"],
            pattern=r"^(\d{4}-\d{2}-\d{2})?$",
            title="Day",
            description="Which day to collect: 2026-11-25. Empty: yesterday in UTC, or the run's partition.",
        ),
    },
    deadline=DeadlineAlert(
        reference=SCHEDULED_RUN,
        interval=timedelta(hours=6),
        callback=SyncCallback("operators.deadline.day_is_late", kwargs={"hours": 6}),
        name="the day's numbers are late",
    ),
) as dag:
    find = FindAccountsOperator(task_id="find_accounts", **in_the_background())
    options = collect_options()
    collect = CollectOperator.partial(task_id="collect", max_active_tis_per_dag=1, **options).expand(
        part=find.output
    )
    close = CloseDayOperator(
        task_id="close_day",
        find="find_accounts",
        trigger_rule="all_done",
        outlets=[DAILY],
        **in_the_background(),
    )
    tell = TellNumbersOperator(task_id="tell_numbers", **in_the_background())
    collect >> close >> tell
