"""Registers with Airflow what Schedulo adds to it; the only module here that Airflow loads by itself.

Every Airflow process loads it, most of them serve nothing: what is heavy is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from operators.deadline import ScheduledRun

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


class ScheduloPlugin(AirflowPlugin):
    name = "schedulo"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": media, "url_prefix": "/schedulo/media", "name": "Schedulo media"},
        {"app": reports, "url_prefix": "/schedulo/reports", "name": "Schedulo reports"},
        {"app": accounts, "url_prefix": "/schedulo/accounts", "name": "Schedulo accounts"},
    ]
    deadline_references: ClassVar[list[Any]] = [ScheduledRun]
