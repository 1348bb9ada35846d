"""A sandbox that runs while a `with` block lasts, for tests and scripts, from sync and async code alike.

The server has a thread and an event loop of its own: requests travel over a real socket, and the caller
may look at `world` without asking over HTTP.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from aiohttp import web

from sandbox.app import SERVER_OPTIONS, build, new_event_loop
from sandbox.core import World


@dataclass(slots=True)
class RunningSandbox:
    """The sandbox's address, its world, and the control calls as methods."""

    url: str
    world: World
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._session.trust_env = False  # no proxy stands between a machine and itself

    def service(self, name: str) -> str:
        """The address of one stand-in, such as `http://127.0.0.1:1234/airtable`."""
        return f"{self.url}/{name}"

    def posts(self) -> list[dict[str, Any]]:
        """All that went live, in the order it did."""
        return self._control("GET", "posts")

    def remove(self, platform: str, post_id: str) -> None:
        """Take a live post off the air, as the platform or somebody in the app would."""
        self._control("DELETE", f"posts/{platform}/{post_id}")

    def in_app(self, service: str, verb: str, **data: Any) -> None:
        """What a person does in a service's own app (`Service.in_app`)."""
        self._control("POST", f"in_app/{service}/{verb}", data)

    def requests(self) -> list[dict[str, Any]]:
        """Counts: `[{service, method, route, count}]`."""
        return self._control("GET", "requests")

    def costs(self) -> list[dict[str, Any]]:
        """What reads would have cost: `[{service, what, count, usd}]`."""
        return self._control("GET", "costs")

    def seed(self, data: dict[str, Any]) -> None:
        self._control("POST", "seed", data)

    def fault(self, **order: Any) -> None:
        """Order one fault (the fields of `sandbox.core.Fault`)."""
        self._control("POST", "faults", order)

    def faults(self, orders: list[dict[str, Any]]) -> None:
        """Order many at once."""
        self._control("POST", "faults", orders)

    def withdraw_faults(self) -> None:
        """Withdraw all orders."""
        self._control("DELETE", "faults")

    def switch(self, **sides: str) -> None:
        self._control("POST", "switches", sides)

    def advance(self, seconds: float) -> None:
        """Move the world's clock; `received_at` stays real."""
        self._control("POST", "clock", {"advance_s": seconds})

    def stop_clock(self, instant: float) -> None:
        """Set the world's clock to an instant (epoch seconds), where it stands until it is moved."""
        self._control("POST", "clock", {"stop_at": instant})

    def numbers(self, at: float) -> list[dict[str, Any]]:
        """What is true of all that is out at an instant (epoch seconds) of the world's clock, told or not."""
        return self._control("GET", f"numbers?at={at}")

    def reset(self) -> None:
        self._control("POST", "reset")

    def close(self) -> None:
        self._session.close()

    def _control(self, method: str, verb: str, data: Any = None) -> Any:
        answer = self._session.request(method, f"{self.url}/_sandbox/{verb}", json=data, timeout=30)
        if answer.status_code != 200:
            raise ValueError(f"{method} /_sandbox/{verb} answered {answer.status_code}: {answer.text}")
        return answer.json()


def running_sandbox() -> AbstractContextManager[RunningSandbox]:
    """Serve a fresh world with all services on a free port of 127.0.0.1."""
    return serving(*build())


@contextmanager
def serving(world: World, app: web.Application) -> Iterator[RunningSandbox]:
    """Serve this world on a free port of 127.0.0.1."""
    loop = new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=1.0, **SERVER_OPTIONS)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
        return runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()
    port = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    sandbox = RunningSandbox(f"http://127.0.0.1:{port}", world)
    try:
        yield sandbox
    finally:
        sandbox.close()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
