"""Airflow's login for pages of ours: who asks, may they see it, and where they log in.

The only module here that imports Airflow. What it uses of it is no public interface: tests/plugins/
test_reports_route.py sees whether it is still there.
"""

from __future__ import annotations

import sys
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser as User
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from web.roles import DELIVERIES, TOKENS

__all__ = [
    "NotLoggedIn",
    "User",
    "check_may_connect",
    "check_may_pause",
    "check_may_see",
    "check_may_see_deliveries",
    "check_may_start",
    "may_see",
    "send_to_login",
    "whoever_asks",
    "whoever_calls",
]


class NotLoggedIn(Exception):
    """Nobody is logged in, or no longer."""


async def whoever_asks(request: Request) -> User:
    """The user of the request's token: in its Authorization header, else in Airflow's cookie. A dependency.

    :raises NotLoggedIn: where there is none that counts
    """
    try:
        return await get_user(request, None, await bearer_scheme(request))
    except HTTPException:
        raise NotLoggedIn from None


async def whoever_calls(request: Request) -> User:
    """The same for a program, which shows its token in the Authorization header: a cookie is not enough,
    since a browser sends it whoever asks. A dependency.

    :raises NotLoggedIn: where there is none that counts
    """
    if await bearer_scheme(request) is None:
        raise NotLoggedIn
    return await whoever_asks(request)


def check_may_connect(user: User) -> None:
    """Who may change Connections may bring tokens, and who has our permission for that. It asks Airflow's
    database: not for an event loop.

    :raises HTTPException: 403
    """
    if not (
        get_auth_manager().is_authorized_connection(method="PUT", user=user) or _has("POST", TOKENS, user)
    ):
        raise HTTPException(
            403,
            f"You may neither change Connections nor create {TOKENS}. An administrator of Airflow can change "
            "that.",
        )


def check_may_see_deliveries(user: User, dag_id: str) -> None:
    """Who may see the Dag that publishes may see how deliveries stand, and who has our permission for that.
    It asks Airflow's database: not for an event loop.

    :raises HTTPException: 403
    """
    if not _has("GET", DELIVERIES, user):
        check_may_see(user, dag_id)


def _has(method: ResourceMethod, resource: str, user: User) -> bool:
    """Whether a role has a permission of ours. The FAB auth manager alone has such: the simple one lets
    everybody into what it does not know."""
    manager = get_auth_manager()
    fab = sys.modules.get("airflow.providers.fab.auth_manager.fab_auth_manager")
    if fab is None or not isinstance(manager, fab.FabAuthManager):
        return False
    return bool(manager.is_authorized_custom_view(method=method, resource_name=resource, user=user))


def may_see(user: User, dag_id: str) -> bool:
    """Who may see a Dag may see what it made. It asks Airflow's database: not for an event loop."""
    return get_auth_manager().is_authorized_dag(method="GET", user=user, details=DagDetails(id=dag_id))


def check_may_see(user: User, dag_id: str) -> None:
    """The same.

    :raises HTTPException: 403
    """
    if not may_see(user, dag_id):
        raise HTTPException(
            403, f"You may not see the Dag {dag_id}. An administrator of Airflow can change that."
        )


def check_may_start(user: User, dag_id: str) -> None:
    """Who may start a Dag. It asks Airflow's database: not for an event loop.

    :raises HTTPException: 403
    """
    manager, run = get_auth_manager(), DagAccessEntity.RUN
    if not manager.is_authorized_dag(
        method="POST", access_entity=run, user=user, details=DagDetails(id=dag_id)
    ):
        raise HTTPException(
            403, f"You may not start the Dag {dag_id}. An administrator of Airflow can change that."
        )


def check_may_pause(user: User) -> None:
    """Who may edit every Dag. It asks Airflow's database: not for an event loop.

    :raises HTTPException: 403
    """
    if not get_auth_manager().is_authorized_dag(method="PUT", user=user):
        raise HTTPException(
            403,
            "You may neither pause what programs start nor let it go on: that takes the permission to edit "
            "all Dags. An operator does it.",
        )


def send_to_login(app: FastAPI, prefix: str) -> None:
    """Let an application answer who is not logged in: browsers with the way to Airflow's login and back.

    :param prefix: where Airflow mounts the application
    """

    @app.exception_handler(NotLoggedIn)
    def answer(request: Request, _error: Exception) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": "Not authenticated"}, 401, {"WWW-Authenticate": "Bearer"})
        airflow = str(request.scope.get("root_path", "")).removesuffix(prefix)
        back = quote(request.url.path, safe="")
        return RedirectResponse(
            f"{airflow}/api/v2/auth/login?next={back}", 303, {"Cache-Control": "no-store"}
        )
