"""
### Resolve a delivery

For a post that is *Please look* (`unresolved`): a request was sent, its answer was lost, and the platform
could not tell what became of it. Look at the account yourself, then say what you saw:

- **it is out**, with the link of the post: it counts as published, nothing is sent.
- **it is not out, send it**: it is prepared and sent once more. If it was out after all, it is out twice.

Who said so is kept in the post's story. For programs: the XCom `answers` of **resolve** says what was done.

What it reads and writes, what can go wrong, what to do: docs/workflows/resolve-delivery.md
"""

from airflow.sdk import DAG, Param

from operators import forms
from operators.by_hand import ResolveDeliveryOperator
from operators.deadline import done_within

with DAG(
    dag_id="resolve_delivery",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "schedulo"},
    tags=["publishing"],
    doc_md=__doc__,
    deadline=done_within(15),
    params={
        "delivery": Param(
            "",
            type="string",
            maxLength=64,
            title="Delivery",
            description="Its id: the column Key of Deliveries.",
        ),
        "answer": Param(
            "please choose",
            type="string",
            enum=["please choose", "it is out", "it is not out, send it"],
            title="What did you see?",
            description="Look at the account itself. What is sent although it is out is out twice.",
        ),
        "link": Param("", type=["string", "null"], title="Link", description="Of the post, where it is out."),
        "dry_run": forms.dry_run(),
    },
) as dag:
    ResolveDeliveryOperator(task_id="resolve")
