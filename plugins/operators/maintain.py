"""Removes what is over from the ledger and the media store."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context


class RemoveOperator(BaseOperator):
    """
    Remove rows and files that nothing needs any more, a little at a time.

    :param dry_run: change nothing, and say what would go. Templated.
    """

    template_fields = ("dry_run",)

    def __init__(self, *, dry_run: bool | str = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.dry_run = dry_run

    def execute(self, context: Context) -> None:
        from hooks.engine import upkeep

        for line in upkeep(dry=str(self.dry_run).lower() == "true").lines():
            self.log.info(line)
