"""What tasks do in a mode in which no platform is asked."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowSkipException


def skip_where_nothing_is_asked() -> None:
    """For tasks that only speak to platforms: in the mode *nothing* they are skipped, and nothing is held
    against the accounts."""
    from schedulo.settings import Mode, settings

    if settings().mode == Mode.NOTHING:
        raise AirflowSkipException("SCHEDULO_MODE is nothing: no platform is asked.")
