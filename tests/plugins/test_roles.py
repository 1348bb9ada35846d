"""Who may do what, as tables: nothing of ours is left out, and what they name exists.

That Airflow does what they say: tests/airflow/test_roles.py.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from schedulo.planning.requests import WORKFLOWS
from schedulo.settings import settings
from tests.airflow.bubble import STARTS
from web.calls import ANYBODY, CALLS, NOBODY
from web.roles import ADMIN, ANALYSTS_SEE, BUBBLE, CREATE, EDIT, EVERY, PROGRAMS_START, READ, ROLES

OURS = "/schedulo/"
DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, re.Pattern[str]]]]:
    """Method and path of every address that the plugin serves."""
    from schedulo_plugin import ScheduloPlugin

    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    settings.cache_clear()
    found = set()
    for entry in ScheduloPlugin.fastapi_apps:
        module = importlib.import_module(f"web.{entry['app'].__name__}")
        module.app.cache_clear()
        for route in module.app().routes:
            assert isinstance(route, Route)
            path = re.compile(re.escape(entry["url_prefix"]) + route.path_regex.pattern.lstrip("^"))
            found |= {(method, path) for method in (route.methods or set()) - {"HEAD"}}
        module.app.cache_clear()
    yield found
    settings.cache_clear()


def test_every_address_of_ours_has_a_row_and_every_row_an_address(
    served: set[tuple[str, re.Pattern[str]]],
) -> None:
    # The health is asked for without the slash that Airflow mounts it with.
    rows = {(call.method, call.path.partition("?")[0]) for call in CALLS if call.path.startswith(OURS)}
    named = {
        (method, path.pattern): [
            row for row in rows if row[0] == method and (path.match(row[1]) or path.match(f"{row[1]}/"))
        ]
        for method, path in served
    }
    assert not [address for address, found in named.items() if not found], "an address without a row"
    assert {row for found in named.values() for row in found} == rows, "a row without an address"


def test_every_row_says_who_may_of_all_there_are() -> None:
    for call in CALLS:
        assert set(call.may) <= set(ANYBODY), call.about
        assert ADMIN in call.may, call.about
        assert NOBODY not in call.may or set(call.may) == set(ANYBODY), call.about


def test_the_roles_of_ours_are_those_of_the_rows() -> None:
    assert {ADMIN, *ROLES} == set(EVERY)


def test_programs_start_the_workflows_of_their_contract() -> None:
    assert set(PROGRAMS_START) == set(STARTS.values()) <= set(WORKFLOWS)
    assert {call.path for call in CALLS if call.method == "POST" and "dagRuns" in call.path} >= {
        f"/api/v2/dags/{name}/dagRuns" for name in WORKFLOWS
    }


def test_permissions_name_what_airflow_and_these_dags_have() -> None:
    from airflow.providers.fab.www.security import permissions as fab

    known = {getattr(fab, name) for name in dir(fab) if re.fullmatch("RESOURCE_(?!DETAILS_MAP).*", name)}
    known |= {"Assets", "Asset Aliases"}  # their names are elsewhere
    dags = {path.stem for path in DAGS.glob("*.py")}
    for role in ROLES.values():
        for _action, resource in role.permissions:
            kind, _, dag_id = resource.partition(":")
            if dag_id:
                assert kind in ("DAG", "DAG Run")
                assert dag_id in dags
            else:
                assert resource in known or resource.startswith("Schedulo "), resource


def test_no_role_of_ours_reaches_secrets_or_logins() -> None:
    closed = {"Connections", "Variables", "Configurations", "Users", "Roles", "Passwords", "Permission Views"}
    for role in ROLES.values():
        assert not closed & {resource for _action, resource in role.permissions}


def test_the_app_on_top_may_change_nothing_but_what_it_starts() -> None:
    changed = {resource for action, resource in ROLES[BUBBLE].permissions if action in (CREATE, EDIT)}
    assert changed == {
        "Schedulo Tokens",
        *(f"{kind}:{name}" for kind in ("DAG", "DAG Run") for name in PROGRAMS_START),
    }
    assert ("can_read", "DAGs") not in ROLES[BUBBLE].permissions


def test_analysts_change_nothing_but_their_own_password_and_profile() -> None:
    for action, resource in ROLES["Schedulo Analyst"].permissions:
        assert action in (READ, "menu_access") or resource in ("My Password", "My Profile")
    assert not set(ANALYSTS_SEE) & set(PROGRAMS_START)
