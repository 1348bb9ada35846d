"""`python -m sandbox.compose`: all services of docker-compose.yaml without Docker; the demo's posts go out
through them while one triggerer and one worker are stopped. Ends with 0 when every post went out once, with 2
where PostgreSQL or Redis is not installed."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from sandbox.compose.play import play, report
from sandbox.compose.services import AIRFLOW, STORES, NotInstalled, composed
from sandbox.demo.__main__ import PLAIN_WIDTH, stop
from sandbox.demo.stage import Stage


def perform(console: Console, home: Path) -> int:
    try:
        with composed(home).standing() as stack:
            stage = Stage(stack)
            console.print(f"Setting up: {', '.join((*STORES, *AIRFLOW, 'sandbox'))} ...")
            began = time.monotonic()
            stack.start_sandbox()
            stage.set_up()
            console.print(f"All services are up after {time.monotonic() - began:.0f} s.")
            played = play(stage, stack, console)
            report(played, console)
            return 0 if played.good else 1
    except NotInstalled as error:
        console.print(str(error), style="red", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except RuntimeError as error:
        console.print(str(error), style="red", highlight=False)
        return 1


def main() -> int:
    argparse.ArgumentParser(prog="python -m sandbox.compose", description=__doc__).parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    home = Path(tempfile.mkdtemp(prefix="schedulo-stack-"))
    home.chmod(0o711)  # PostgreSQL runs as another user and reads its rules here
    code = perform(console, home)
    if code == 1:
        console.print(f"What the services said is in {home / 'logs'}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
