"""
### Prepare posts

Fetches the media of posts a day before they are due, makes them fit each platform and writes into Airtable
that a post is *Ready*, or what is wrong with it. It looks every ten minutes; a run of `publish_due_posts`
wakes it by the asset `schedulo://media` for what is new or due soon.

- **prepare_soon** takes what is due within 20 minutes, so that a queue of long videos never holds it up;
  **prepare** takes the rest. Each has one instance for each post (for several, where there are more than
  ten), and its log says what was done.
- **ask_accounts** asks what accounts with posts to come may do, where a platform can be asked that (TikTok),
  once an hour at the most; what they may not do is told to the posts' authors.
- A file that nobody can use is told to its author in Airtable and leaves the instance green. Red means that a
  host or Airtable did not answer, or that a conversion failed: it is tried again by itself.
- Clear an instance to prepare its post again. What is here already is not fetched or converted again.

What it reads and writes, what can go wrong, what to do: docs/workflows/prepare-posts.md
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable

from operators.accounts import AskAccountsOperator
from operators.deadline import done_within
from operators.prepare import MEDIA_URI, FindPostsOperator, PreparePostsOperator, prepare_options

with DAG(
    dag_id="prepare_posts",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/10 * * * *", timezone="UTC"), assets=[Asset(MEDIA_URI)]
    ),
    catchup=False,
    max_active_runs=8,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo", "retries": 1, "retry_delay": timedelta(seconds=5)},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(120),
) as dag:
    for lane, soon, at_once in (("_soon", True, 2), ("", False, 1)):
        find = FindPostsOperator(task_id=f"find{lane}", soon=soon)
        PreparePostsOperator.partial(
            task_id=f"prepare{lane}", max_active_tis_per_dag=at_once, **prepare_options()
        ).expand(posts=find.output)
    AskAccountsOperator(task_id="ask_accounts")
