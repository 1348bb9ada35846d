"""Prepares posts before they are due: which ones, and each of them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias, BaseOperator, Context
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

MEDIA_URI = "schedulo://media"
"""The asset that is updated when posts are to be prepared at once."""
MEDIA_ALIAS = AssetAlias("schedulo_media")
"""The outlet of tasks that update it only now and then."""
INSTANCES = 10
"""So many instances share what a run found: each costs Airflow seconds."""


class FindPostsOperator(BaseOperator):
    """
    Find posts whose media are not here or not made to fit, and reserve them for this run.

    Returns one part for each instance that prepares them, in the order in which they are due: `title` for
    people, `record_ids`. Where there are many, an instance takes several. A retry or a cleared task finds
    those again that are not prepared yet.

    :param soon: those that are due soon (`readiness.SOON_S`); else the others within
        `SCHEDULO_PREPARE_AHEAD_S`.
    """

    def __init__(self, *, soon: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.soon = soon

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from hooks.ledger import LedgerHook
        from schedulo.delivery import readiness
        from schedulo.settings import settings

        ledger = LedgerHook().get_conn()
        try:
            with ledger.begin() as connection:
                now_ms = ledger.now_ms(connection)
                found = readiness.take(connection, now_ms, context["run_id"], settings(), soon=self.soon)
        finally:
            ledger.close()
        self.log.info("%d posts are to be prepared", len(found))
        size = math.ceil(len(found) / INSTANCES)
        return [_part(found[start : start + size]) for start in range(0, len(found), size or 1)]


def _part(posts: list[Any]) -> dict[str, Any]:
    title = posts[0].title or "(no title)"
    title = title if len(posts) == 1 else f"{title} and {len(posts) - 1} more"
    return {"title": title, "record_ids": [post.record_id for post in posts]}


class PrepareRetryPolicy(RetryPolicy):
    """Again after a pause where that may help; what only people can mend is not tried again."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        from schedulo.errors.airtable import AirtableBusy, AirtableDown, AirtableError
        from schedulo.planning.prepare import NotPrepared

        if isinstance(exception, NotPrepared) and exception.wait_s is None:
            return RetryDecision.fail(reason=str(exception))
        if isinstance(exception, NotPrepared):
            return RetryDecision.retry(timedelta(seconds=exception.wait_s), reason=str(exception))
        if isinstance(exception, AirtableBusy | AirtableDown):
            wait_s = exception.info.base_wait_s if exception.wait_s is None else exception.wait_s
            return RetryDecision.retry(timedelta(seconds=wait_s), reason=str(exception))
        if isinstance(exception, AirtableError):
            return RetryDecision.fail(reason=str(exception))
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PrepareRetryPolicy:
        return cls()


def prepare_options() -> dict[str, Any]:
    """How a prepare task tries again, its name and its queue; for `partial`, as `publish_options`."""
    from schedulo.settings import settings

    queue = settings().media_queue
    return {
        **({"queue": queue} if queue else {}),
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": PrepareRetryPolicy(),
        "map_index_template": "{{ label }}",
    }


class PreparePostsOperator(BaseOperator):
    """
    Fetch the media of some posts, make them fit each of their accounts and plan their rows again.

    What is wrong with a post is written into its rows and leaves the task green.

    :param posts: a part of what `FindPostsOperator` found.

    :raises NotPrepared: a file cannot be fetched or converted now; the same task tries again after a pause.
    :raises AirtableError: the rows cannot be read.
    """

    def __init__(self, *, posts: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.posts = posts

    def execute(self, context: Context) -> None:
        from hooks.engine import make_preparer
        from schedulo.planning.prepare import NotPrepared

        context["label"] = self.posts["title"]  # type: ignore[typeddict-unknown-key]
        preparer = make_preparer(self.log.info)
        try:
            done = preparer.prepare_all(self.posts["record_ids"], context["run_id"])
        finally:
            for line in preparer.planner.lines:
                self.log.info(line)
            preparer.planner.ledger.close()
        for prepared in done:
            for sentence in prepared.sentences:
                self.log.info(sentence)
        if troubled := [prepared for prepared in done if prepared.trouble]:
            waits = [prepared.wait_s for prepared in troubled if prepared.wait_s is not None]
            raise NotPrepared("; ".join(one.trouble for one in troubled), min(waits, default=None))


def wake_if_wanted(ledger: Any, outlet_events: Any) -> bool:
    """Update the media asset through its alias where posts are to be prepared at once; whether it was."""
    from schedulo.delivery import readiness
    from schedulo.settings import settings

    with ledger.read() as connection:
        if not readiness.wanted(connection, ledger.now_ms(connection), settings()):
            return False
    outlet_events[MEDIA_ALIAS].add(Asset(MEDIA_URI))
    return True
