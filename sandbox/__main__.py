"""`python -m sandbox`: serves all stand-ins on one port until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from aiohttp import web

from sandbox.app import SERVER_OPTIONS, build, new_event_loop
from sandbox.core import seed


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--port-file", type=Path, help="write the port number here once it answers")
    parser.add_argument("--seed", type=Path, metavar="FILE.json", help="as for POST /_sandbox/seed")
    return parser.parse_args(argv)


class Server:
    """The stand-ins on one port; it can go away for a while and come back with all it knows."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, **SERVER_OPTIONS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Answer on this port, 0 picks a free one; says which."""
        await self._runner.setup()
        await self._listen(host, port)
        self._host, self._port = host, int(self._runner.addresses[0][1])
        return self._port

    async def _listen(self, host: str, port: int) -> None:
        self._site = web.TCPSite(self._runner, host, port, backlog=2048)
        await self._site.start()

    def leave(self, seconds: float) -> None:
        """Be as if restarted, to all who call: no connection survives, and none is made for so long. What was
        received whole is still done, its answer is lost."""
        task = asyncio.create_task(self._away(seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _away(self, seconds: float) -> None:
        await asyncio.sleep(0.1)  # whoever asked for it is answered first
        await self._site.stop()
        server = self._runner.server
        for connection in list(server.connections) if server else []:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(seconds)
        await self._listen(self._host, self._port)

    async def close(self) -> None:
        await self._runner.cleanup()


async def serve(options: argparse.Namespace) -> None:
    world, app = build()
    if options.seed:
        seed(world, json.loads(options.seed.read_text()))
    server = Server(app)
    world.leave = server.leave
    port = await server.start(options.host, options.port)
    if options.port_file:
        # Whoever waits for the file must never read half of it.
        part = options.port_file.with_name(options.port_file.name + ".part")
        part.write_text(str(port))
        part.replace(options.port_file)
    sys.stdout.write(f"http://{options.host}:{port}\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(arguments()))
