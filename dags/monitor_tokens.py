"""
### Monitor tokens

Looks after the logins of all accounts, once an hour: renews what can be renewed without a person, long before
it must be, and warns who must act.

- **find_logins** asks nobody. It warns owners 14, 7, 3 and 1 days before they are needed, once each, holds an
  account whose login has ended before its next post is due, and lists whose platforms are to be asked.
- **look_after** has one instance for each of those accounts (for several, beyond a hundred). Its log says
  what was done, and why; never a token.

A login that is no longer accepted leaves the instance green: its account is held and its owner is told how
to connect it again. Red means that a platform did not answer (tried again by itself, then by the next hour's
run), or that our app is not set up right at it; one account costs the others nothing. Clear an instance at
any time: what is not due any more is not done again.

What it reads and writes, what can go wrong, what to do: docs/workflows/monitor-tokens.md
"""

from datetime import timedelta

from airflow.sdk import DAG

from operators.deadline import done_within
from operators.logins import FindLoginsOperator, LookAfterLoginsOperator, login_options
from operators.notify import INCIDENTS_ALIAS

with DAG(
    dag_id="monitor_tokens",
    schedule="11 * * * *",
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["accounts"],
    doc_md=__doc__,
    deadline=done_within(45, "operators.deadline.logins_are_late"),
) as dag:
    find = FindLoginsOperator(
        task_id="find_logins", retries=2, retry_delay=timedelta(seconds=30), outlets=[INCIDENTS_ALIAS]
    )
    LookAfterLoginsOperator.partial(
        task_id="look_after", max_active_tis_per_dag=2, outlets=[INCIDENTS_ALIAS], **login_options()
    ).expand(part=find.output)
