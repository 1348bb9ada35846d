"""What the roles of people and programs may do in Airflow: one table, which `schedulo roles` brings into it.

A permission is a pair of action and resource, in the words of Airflow's FAB auth manager. To start a Dag it
asks for two: to create its runs (`DAG Run:<id>`), and to edit it (`DAG:<id>`). Runs, task instances and XComs
of a Dag are seen by who may read them and the Dag. Resources that begin with *Schedulo* are ours: what
Airflow has for the same would allow more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

READ, CREATE, EDIT, MENU = "can_read", "can_create", "can_edit", "menu_access"
TOKENS = "Schedulo Tokens"
"""Bringing tokens of accounts. Airflow's *edit Connections* would do, and let one send them elsewhere."""
DELIVERIES = "Schedulo Deliveries"
"""Seeing how deliveries stand, without the Dag that publishes, its runs and their XComs."""
ADMIN = "Admin"
"""Airflow's own."""
OPERATOR, ANALYST, BUBBLE = "Schedulo Operator", "Schedulo Analyst", "Schedulo Bubble"
EVERY = (ADMIN, OPERATOR, ANALYST, BUBBLE)

Permission = tuple[str, str]

PROGRAMS_START = (
    "publish_now",
    "rehearse_posts",
    "retry_deliveries",
    "cancel_posts",
    "emergency_stop",
    "take_down_posts",
    "resolve_delivery",
)
"""The workflows of the contract with the app on top (docs/reference/bubble.openapi.yaml)."""
ANALYSTS_SEE = ("summarise_week", "collect_analytics", "read_numbers", "check_health")
"""The workflows that make the numbers, and the one that says whether they are complete."""


@dataclass(frozen=True)
class Role:
    """A role of ours."""

    about: str
    permissions: frozenset[Permission]


def _each(action: str, resources: Iterable[str]) -> set[Permission]:
    return {(action, resource) for resource in resources}


# Airflow gives it to every role when it starts.
_HOME = {(READ, "Website")}
_OWN = {(READ, "My Profile"), (EDIT, "My Profile"), (READ, "My Password"), (EDIT, "My Password")}
_OPERATORS_SEE = (
    "DAGs",
    "DAG Runs",
    "DAG Code",
    "DAG Dependencies",
    "DAG Versions",
    "DAG Warnings",
    "Task Instances",
    "Task Logs",
    "XComs",
    "HITL Detail",
    "Assets",
    "Asset Aliases",
    "Backfills",
    "Pools",
    "Jobs",
    "Cluster Activity",
    "ImportError",
    "Audit Logs",
)

ROLES: Mapping[str, Role] = {
    OPERATOR: Role(
        "Starts, clears, marks, pauses; holds and releases; brings tokens; sees everything but Connections "
        "and Variables, which hold secrets. Deletes no runs.",
        frozenset(
            _HOME
            | _OWN
            | _each(READ, _OPERATORS_SEE)
            | _each(CREATE, ("DAG Runs", "Task Instances"))
            | _each(EDIT, ("DAGs", "DAG Runs", "Task Instances"))
            | _each(
                MENU,
                ("Browse", "DAGs", "DAG Runs", "Task Instances", "XComs", "Assets", "Pools", "Jobs", "Docs"),
            )
            | _each(MENU, ("DAG Dependencies", "Cluster Activity", "Audit Logs", "Documentation", "Admin"))
            | {(CREATE, TOKENS), (READ, DELIVERIES)}
        ),
    ),
    ANALYST: Role(
        "Reads the reports of weeks, how deliveries stand, the health, and the runs that make the numbers. "
        "Changes nothing. The numbers themselves are asked for by SQL, with a role of the database.",
        frozenset(
            _HOME
            | _OWN
            | _each(READ, (f"DAG:{name}" for name in ANALYSTS_SEE))
            | _each(READ, ("DAG Runs", "DAG Versions", "Task Instances", "HITL Detail"))
            | _each(MENU, ("DAGs", "DAG Runs", "Task Instances", "Documentation", "Docs"))
            | {(READ, DELIVERIES)}
        ),
    ),
    BUBBLE: Role(
        "The app on top: the calls of its contract and no others.",
        frozenset(
            _HOME
            | _each(READ, (f"DAG:{name}" for name in PROGRAMS_START))
            | _each(EDIT, (f"DAG:{name}" for name in PROGRAMS_START))
            | _each(READ, (f"DAG Run:{name}" for name in PROGRAMS_START))
            | _each(CREATE, (f"DAG Run:{name}" for name in PROGRAMS_START))
            | {(READ, "XComs"), (CREATE, TOKENS), (READ, DELIVERIES)}
        ),
    ),
}
