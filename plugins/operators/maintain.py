"""Removes what is over from the ledger and the media store, and gives back its room."""

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


class VacuumOperator(BaseOperator):
    """
    Give back the room of rows that went. No post waits for it.

    :param dry_run: do nothing. Templated.
    """

    template_fields = ("dry_run",)

    def __init__(self, *, dry_run: bool | str = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.dry_run = dry_run

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook
        from schedulo.upkeep.vacuum import vacuum

        if str(self.dry_run).lower() == "true":
            self.log.info("Nothing is done in a dry run.")
            return
        ledger = LedgerHook().get_conn()
        try:
            for line in vacuum(ledger):
                self.log.info(line)
        finally:
            ledger.close()
