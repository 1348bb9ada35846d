"""Asks Airflow's REST API from inside its own process, in the name of who asks us.

What they may see is Airflow's to say; and its REST API is public, while the tables behind it are not.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
NAMES = (b"authorization", b"cookie", b"host")
"""What is handed on of who asks."""


async def ask(airflow: App, asked: Mapping[str, Any], path: str) -> tuple[int, Any]:
    """Ask Airflow for `path`, below `/api/v2`.

    :param airflow: the application
    :param asked: the scope of the request that we answer
    :return: the status, and the JSON; None where it is none
    """
    scope: Message = {
        "type": "http",
        "asgi": asked.get("asgi", {"version": "3.0"}),
        "http_version": "1.1",
        "method": "GET",
        "scheme": asked.get("scheme", "http"),
        "server": asked.get("server"),
        "client": asked.get("client"),
        "path": f"/api/v2{path}",
        "raw_path": f"/api/v2{path}".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name, value) for name, value in asked["headers"] if name in NAMES],
        "state": {},
    }
    status, body = 0, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await airflow(scope, receive, send)
    try:
        return status, json.loads(bytes(body))
    except ValueError:
        return status, None
