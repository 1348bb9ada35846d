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


async def serve(options: argparse.Namespace) -> None:
    world, app = build()
    if options.seed:
        seed(world, json.loads(options.seed.read_text()))
    runner = web.AppRunner(app, **SERVER_OPTIONS)
    await runner.setup()
    await web.TCPSite(runner, options.host, options.port, backlog=2048).start()
    port = runner.addresses[0][1]
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
    await runner.cleanup()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(arguments()))
