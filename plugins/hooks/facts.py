"""What only Airflow's own database knows, for the process that watches it. No task may ask it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from schedulo.delivery.workflows import error_of
from schedulo.health.watch import Facts

GOING_ON = ("queued", "running")


def airflow_facts() -> Facts:
    """Raises `SQLAlchemyError` where the database is not there."""
    from airflow.models.dagrun import DagRun
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    made = func.min(func.coalesce(DagRun.queued_at, DagRun.start_date))
    runs = select(DagRun.dag_id, made).where(DagRun.state.in_(GOING_ON)).group_by(DagRun.dag_id)
    with create_session() as session:
        broken = {
            str(_folder(error.bundle_name or "") / (error.filename or "")): error_of(error.stacktrace or "")
            for error in session.scalars(select(ParseImportError))
        }
        at_work = {dag_id: int(at.timestamp() * 1000) for dag_id, at in session.execute(runs) if at}
    return Facts(broken, at_work)


@cache
def _folder(bundle: str) -> Path:
    """Where a bundle's files are. Airflow's own `full_file_path` reads all of them each time, and
    logs it."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    return Path(DagBundlesManager().get_bundle(bundle).path)
