"""Which role may make which call: every address of ours, and of Airflow's what roles are told apart by.

The page on roles shows these rows, and a test makes each call as each role and as nobody against a real
api-server; it fails where an address of ours has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web.roles import ADMIN, ANALYST, BUBBLE, EVERY, OPERATOR, PROGRAMS_START

NOBODY = "nobody"
ANYBODY = (*EVERY, NOBODY)
PEOPLE = (ADMIN, OPERATOR)
READERS = (ADMIN, OPERATOR, ANALYST)
PROGRAMS = (ADMIN, OPERATOR, BUBBLE)


@dataclass(frozen=True)
class Call:
    """A call that does nothing when it is made, since what it names is not there or cannot be understood."""

    about: str
    method: str
    path: str
    may: tuple[str, ...]
    """The roles that it is not refused to."""
    status: int = 200
    """What they are answered with by an installation that has done nothing yet."""
    body: Any = None
    shows: str = ""
    """A field of the answer that is for these roles alone; the others get the rest."""


SENSELESS: dict[str, Any] = {"logical_date": None, "conf": {"no_such_field": 1}}

CALLS: tuple[Call, ...] = (
    Call("the health, as a colour", "GET", "/schedulo/health", ANYBODY, 503),
    Call("the health, whole", "GET", "/schedulo/health", READERS, 503, shows="checks"),
    Call("stored media, by signed address", "GET", "/schedulo/media/signature/name", ANYBODY, 404),
    Call("the list of reports, of each those that the role may read", "GET", "/schedulo/reports/", EVERY),
    Call("the report of a week", "GET", "/schedulo/reports/week-2026-w01.html", READERS, 404),
    Call("the report of a day's errors", "GET", "/schedulo/reports/errors-2026-01-01.html", PEOPLE, 404),
    Call("what came of a rehearsal", "GET", "/schedulo/reports/rehearsal-none.html", PROGRAMS, 404),
    Call("bring tokens of accounts", "POST", "/schedulo/accounts/tokens", PROGRAMS, 422, body={"x": 1}),
    Call(
        "TikTok's webhooks, by their signature", "POST", "/schedulo/hooks/tiktok", ANYBODY, 401, body={"x": 1}
    ),
    Call(
        "Airtable's pings, by their signature",
        "POST",
        "/schedulo/hooks/airtable",
        ANYBODY,
        401,
        body={"x": 1},
    ),
    Call("how deliveries stand", "GET", "/schedulo/deliveries?account=x:1", EVERY),
    Call("how one delivery stands", "GET", "/schedulo/deliveries/none", EVERY, 404),
    *(
        Call(f"what became of a request of {name}", "GET", f"/schedulo/requests/{name}/none", PROGRAMS, 404)
        for name in PROGRAMS_START
    ),
    Call(
        "what became of a request of plan_maintenance",
        "GET",
        "/schedulo/requests/plan_maintenance/none",
        PEOPLE,
        404,
    ),
    *(
        Call(f"start {name}", "POST", f"/api/v2/dags/{name}/dagRuns", PROGRAMS, 422, SENSELESS)
        for name in PROGRAMS_START
    ),
    Call("start plan_maintenance", "POST", "/api/v2/dags/plan_maintenance/dagRuns", PEOPLE, 422, SENSELESS),
    Call(
        "start any other workflow",
        "POST",
        "/api/v2/dags/publish_due_posts/dagRuns",
        PEOPLE,
        422,
        {"logical_date": "never"},
    ),
    Call("runs of publish_now", "GET", "/api/v2/dags/publish_now/dagRuns", PROGRAMS),
    Call("runs of publish_due_posts", "GET", "/api/v2/dags/publish_due_posts/dagRuns", PEOPLE),
    Call("runs of summarise_week", "GET", "/api/v2/dags/summarise_week/dagRuns", READERS),
    Call(
        "XComs of publish_due_posts",
        "GET",
        "/api/v2/dags/publish_due_posts/dagRuns/~/taskInstances/~/xcomEntries",
        PEOPLE,
    ),
    Call("tasks of summarise_week", "GET", "/api/v2/dags/summarise_week/dagRuns/~/taskInstances", READERS),
    Call(
        "logs of a task",
        "GET",
        "/api/v2/dags/publish_due_posts/dagRuns/none/taskInstances/sync/logs/1",
        PEOPLE,
        404,
    ),
    Call(
        "clear tasks",
        "POST",
        "/api/v2/dags/publish_due_posts/clearTaskInstances",
        PEOPLE,
        422,
        {"dry_run": "perhaps"},
    ),
    Call(
        "mark a run",
        "PATCH",
        "/api/v2/dags/publish_due_posts/dagRuns/none",
        PEOPLE,
        422,
        {"state": "perhaps"},
    ),
    Call("delete a run", "DELETE", "/api/v2/dags/publish_now/dagRuns/none", (ADMIN,), 404),
    Call(
        "pause publish_due_posts",
        "PATCH",
        "/api/v2/dags/publish_due_posts",
        PEOPLE,
        422,
        {"is_paused": "perhaps"},
    ),
    *(
        Call(f"pause {name}", "PATCH", f"/api/v2/dags/{name}", PEOPLE, 422, {"is_paused": "perhaps"})
        for name in PROGRAMS_START
    ),
    Call(
        "pause many workflows",
        "PATCH",
        "/api/v2/dags?dag_id=publish_now&dag_id_pattern=%25",
        PEOPLE,
        422,
        {"is_paused": "perhaps"},
    ),
    Call("who did what (audit log)", "GET", "/api/v2/eventLogs?limit=1", PEOPLE),
    Call("Connections", "GET", "/api/v2/connections", (ADMIN,)),
    Call(
        "change a Connection",
        "PATCH",
        "/api/v2/connections/x_default",
        (ADMIN,),
        422,
        {"connection_id": "x_default"},
    ),
    Call("Variables", "GET", "/api/v2/variables", (ADMIN,)),
    Call("people and their roles", "GET", "/auth/fab/v1/users", (ADMIN,)),
)
