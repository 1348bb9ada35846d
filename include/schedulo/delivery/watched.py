"""Incidents of red checks: which others tell of the same cause, and when they are over.

A check sees what goes wrong from outside; often what met it has its incident already, or will have within a
minute. One cause is told once.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import health, incidents
from schedulo.model import Platform

_I, _H = incidents.c, health.c
PREFIX = "health:"
_AIRFLOW = ("health:airflow", "health:airflow:")
_RUNS = (*_AIRFLOW, "health:workflow:publish_due_posts")
"""Without these nothing goes out, and all that waits waits for them."""
_SEVERAL = ("dag_file:several:", "dag_file:publish_due_posts:several:")
"""Many Dag files cannot be read."""
NETWORK = ("health:network", "outage:network")
"""Nothing can be reached from here."""

TOLD_BY: dict[str, tuple[str, ...]] = {
    "airtable": ("airtable_read:", "airtable_stale", *NETWORK),
    "network": ("outage:network",),
    "outages": ("outage:",),
    "airtable_schema": ("airtable_read:", "airtable_told:", "airtable_stale"),
    "outbox": ("airtable_told:", "airtable_read:", "health:airtable", *NETWORK, *_RUNS),
    "queue": ("late:", "late_run", "airtable_stale", "ledger_restored:", *_RUNS),
    "stuck": ("late:unknown:", *_RUNS),
    "lateness": ("late:", "late_run", "health:queue", *_RUNS),
    "airflow:triggerer": ("late:waiting",),
    "workflow:publish_due_posts": (*_AIRFLOW, "dag_file:publish_due_posts:"),
    "media_url": ("health:airflow", *NETWORK),
    "media_store": ("health:disk",),
    **{
        f"workflow:{dag_id}": (f"workflow:{dag_id}.", f"dag_file:{dag_id}:", *_SEVERAL, *_AIRFLOW)
        for dag_id in ("handle_incidents", "prepare_posts", "monitor_tokens", "look_after_posts")
    },
    **{
        f"platform:{name}": (f"held:platform:{name}:", f"outage:{name}", "outage:network")
        for name in Platform
    },
}
"""By check: the incidents that tell people of its cause, by their keys, or by how they begin (with a colon or
a point at the end). None that may stay open for days beside another cause, such as one account's hold."""

STOPS_ALL = (
    "health:airflow:scheduler",
    "health:airflow:triggerer",
    "health:airflow:metadatabase",
    "health:airflow",
    "health:workflow:publish_due_posts",
    "dag_file:publish_due_posts:",
    "airtable_stale",
    "ledger_restored:",
)
"""Incidents while which nothing goes out, by their keys, or by how they begin (with a colon at the end); the
clearest cause first."""

_other = incidents.alias()


def _open_ones(name: str) -> sa.ColumnElement[bool]:
    """Another incident is open that tells of the cause of this check."""
    key = _other.c.key
    is_one = (
        key.startswith(one, autoescape=True) if one.endswith((":", ".")) else key == one
        for one in TOLD_BY[name]
    )
    return sa.exists().where(_other.c.closed_ms.is_(None), sa.or_(*is_one))


def is_told_elsewhere(connection: sa.Connection, name: str) -> bool:
    """Whether an open incident tells people what this check would."""
    return name in TOLD_BY and bool(connection.execute(sa.select(_open_ones(name))).scalar())


def what_stops_all(connection: sa.Connection) -> str | None:
    """The key of an open incident while which nothing goes out."""
    keys = connection.execute(sa.select(_I.key).where(_I.closed_ms.is_(None))).scalars().all()
    for cause in STOPS_ALL:
        for key in keys:
            if key == cause or (cause.endswith(":") and key.startswith(cause)):
                return str(key)
    return None


def is_green(_now_ms: int) -> sa.ColumnElement[bool]:
    """The check is green, or is made no more. One of which nobody was told gives way to one that says it."""
    stands = sa.exists().where(sa.literal(PREFIX) + _H.name == _I.key, _H.status != "green")
    gives_way = [sa.and_(_I.key == PREFIX + name, _open_ones(name)) for name in TOLD_BY]
    return sa.or_(~stands, sa.and_(_I.told_times == 0, sa.or_(*gives_way)))
