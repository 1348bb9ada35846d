"""
### Try posts without publishing them

For whoever wants to see what would happen. Name rows of *Posts*, also such that are not *Ready* yet: they are
checked, their files made to fit, and then

- **sandbox**: published, by the code that does it for real, to stand-ins of the platforms that are started
  for this run and end with it. They refuse what the platforms are known to refuse.
- **nothing**: not sent at all; you see what would be.

Nothing goes to a real platform, whatever is set: this workflow knows no other address than its sandbox's, and
none of the real tokens. No post is marked, held or counted; each can be tried as often as you like.

What came of it is a page (its address is the last line of the log of **rehearse**); for programs the XComs
`summary`, `answers` and `page` of **rehearse** hold the same.

What it reads and writes, what can go wrong, what to do: docs/workflows/rehearse-posts.md
"""

from airflow.sdk import DAG, Param

from operators import forms
from operators.deadline import done_within
from operators.rehearse import RehearsePostsOperator, rehearse_options

with DAG(
    dag_id="rehearse_posts",
    schedule=None,
    catchup=False,
    max_active_runs=2,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(120),
    params={
        "posts": Param(
            [],
            type="array",
            items={"type": "string", "pattern": forms.RECORD_ID},
            maxItems=20,
            title="Posts",
            description="Record ids of rows in Posts, one a line (rec...). 1 to 20.",
        ),
        "accounts": forms.accounts(),
        "where": Param(
            "sandbox",
            type="string",
            enum=["sandbox", "nothing"],
            values_display={
                "sandbox": "To a sandbox: publish to stand-ins of the platforms",
                "nothing": "To nothing: only check, prepare and show",
            },
            title="Where to?",
            description="Neither is seen by anybody.",
        ),
    },
) as dag:
    RehearsePostsOperator(task_id="rehearse", retries=1, **rehearse_options())
