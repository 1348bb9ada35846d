"""Registers with Airflow what Schedulo adds to it; the only module here that Airflow loads by itself.

Every Airflow process loads it, most of them serve nothing: what is heavy is imported when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from operators import ran
from operators.deadline import MadeRun, ScheduledRun
from web.guard import HookAttempts, LoginAttempts, SafeHeaders, SameOrigin

Message = MutableMapping[str, Any]


async def media(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The media route: an ASGI application that is built at the first request."""
    from web.media import app

    await app()(scope, receive, send)


async def reports(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The reports, built like the media route."""
    from web.reports import app

    await app()(scope, receive, send)


async def accounts(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Where tokens are taken in, built like the media route."""
    from web.accounts import app

    await app()(scope, receive, send)


async def health(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """How it stands, built like the media route."""
    from web.health import app

    await app()(scope, receive, send)


async def deliveries(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """How deliveries stand, built like the media route."""
    from web.deliveries import app

    await app()(scope, receive, send)


async def requests(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """What became of requests, built like the media route. It asks Airflow, which `app` still is here."""
    from web.requests import app

    await app()({**scope, "schedulo.airflow": scope["app"]}, receive, send)


async def hooks(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Where platforms tell what happened, built like the media route."""
    from web.hooks import app

    await app()(scope, receive, send)


class Starts:
    """Starting a Dag by hand, by form or REST: what cannot be understood is refused, what was asked before is
    answered with the first run (`web.starts`)."""

    PATH = re.compile(r"/api/v2/dags/(\w+)/dagRuns")

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            path = str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))
            if match := self.PATH.fullmatch(path):
                from web.starts import start

                await start(self.app, match[1], scope, receive, send)
                return
        await self.app(scope, receive, send)


class Pauses:
    """Pausing a Dag that programs start: not for the programs (`web.pauses`)."""

    PATH = re.compile(r"/api/v2/dags(?:/([^/]+))?/?")

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "PATCH":
            path = str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))
            if match := self.PATH.fullmatch(path):
                from web.pauses import pause

                await pause(self.app, match[1], scope, receive, send)
                return
        await self.app(scope, receive, send)


class WithoutSlash:
    """Lets `/schedulo/health` and `/schedulo/deliveries` be asked for as they are written.

    Airflow mounts applications with a slash behind their prefix, and answers what it does not know with its
    own page and 200: to a monitor, all would be well for ever.
    """

    PATHS = ("/schedulo/health", "/schedulo/deliveries")

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] == "http" and path.removeprefix(scope.get("root_path", "")) in self.PATHS:
            scope = {**scope, "path": f"{path}/", "raw_path": f"{path}/".encode()}
        await self.app(scope, receive, send)


class ScheduloPlugin(AirflowPlugin):
    name = "schedulo"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": media, "url_prefix": "/schedulo/media", "name": "Schedulo media"},
        {"app": reports, "url_prefix": "/schedulo/reports", "name": "Schedulo reports"},
        {"app": accounts, "url_prefix": "/schedulo/accounts", "name": "Schedulo accounts"},
        {"app": health, "url_prefix": "/schedulo/health", "name": "Schedulo health"},
        {"app": deliveries, "url_prefix": "/schedulo/deliveries", "name": "Schedulo deliveries"},
        {"app": requests, "url_prefix": "/schedulo/requests", "name": "Schedulo requests"},
        {"app": hooks, "url_prefix": "/schedulo/hooks", "name": "Schedulo hooks"},
    ]
    fastapi_root_middlewares: ClassVar[list[dict[str, Any]]] = [
        {"middleware": WithoutSlash, "name": "Schedulo addresses without a slash"},
        {"middleware": Starts, "name": "Schedulo starts"},
        {"middleware": Pauses, "name": "Schedulo pauses"},
        {"middleware": LoginAttempts, "name": "Schedulo login attempts"},
        {"middleware": HookAttempts, "name": "Schedulo hook attempts"},
        {"middleware": SameOrigin, "name": "Schedulo same origin"},
        # The last one is the outermost: refusals of the others have these headers too.
        {"middleware": SafeHeaders, "name": "Schedulo headers"},
    ]
    listeners: ClassVar[list[Any]] = [ran]
    deadline_references: ClassVar[list[Any]] = [MadeRun, ScheduledRun]
