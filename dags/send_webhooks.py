"""
### Send webhooks

Tells subscribers what becomes of posts and logins: events that are signed, sent at least once, and sent again
where they are not taken. Woken within seconds by the asset `schedulo://webhooks`, which a watcher in the
triggerer updates when something is to be sent; every quarter of an hour it looks by itself.

- Subscribers are added by `schedulo webhooks add`. While there are none, nothing is done.
- A subscriber that does not answer is tried eight times over a day and a half, then paused; operators are
  told. It does not make a run red. The log of **send** says what was taken and what was not.
- Clear it at any time: what was taken is not sent again.

What it reads and writes, what can go wrong, what to do: docs/workflows/send-webhooks.md
"""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from operators.deadline import done_within
from operators.notify import INCIDENTS_ALIAS
from operators.webhooks import WEBHOOKS, SendWebhooksOperator

with DAG(
    dag_id="send_webhooks",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=[WEBHOOKS]
    ),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["incidents"],
    doc_md=__doc__,
    deadline=done_within(15),
) as dag:
    SendWebhooksOperator(
        task_id="send", retries=1, retry_delay=timedelta(seconds=30), outlets=[INCIDENTS_ALIAS]
    )
