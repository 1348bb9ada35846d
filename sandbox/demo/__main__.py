"""`python -m sandbox.demo`: the show. `... up` leaves it running in the background, `... down` ends that;
`... report` makes a report, of what runs there where something does. `... plan` plans the posts in an
installation that runs with a sandbox, from inside of it."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from sandbox.demo import scene, show
from sandbox.demo.stage import ENVIRONMENT, LEAD_S, Stage
from sandbox.stack import ROOT, Installed, Stack

RUN = ROOT / ".run"
HOME = RUN / "up"
PID = RUN / "up.pid"
NOTE = RUN / "up.json"
"""Where it answers, once it does: addresses, login, when the first post is due."""
ENV = RUN / "up.env"
"""What a shell reads to give commands to it: its settings, secrets among them."""
UP_S = 300.0
PLAIN_WIDTH = 160
"""Characters a line where the output is no terminal."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument(
        "verb", nargs="?", default="show", choices=["show", "up", "down", "serve", "report", "plan"]
    )
    parser.add_argument("--json", type=Path, help="write the result here as well")
    return parser.parse_args()


def perform(console: Console, result: Path | None) -> int:
    """The whole show; 0 when every post went out once."""
    RUN.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="demo-", dir=RUN))
    good = False
    try:
        with Stage(Stack(home, "", environment=ENVIRONMENT)).running() as stage:
            console.print("Setting up: sandbox, Airflow on SQLite, the base, accounts, media ...")
            began = time.monotonic()
            stage.set_up()
            console.print(f"Airflow is up after {time.monotonic() - began:.0f} s: {_login(stage)}")
            first_due = stage.lay_out()
            planned = scene.planned(first_due)
            console.print(
                f"{len(scene.POSTS)} posts are in Airtable, the first due at {first_due:%H:%M:%S} UTC."
            )
            outcome = show.Show(stage, planned, console).watch()
            show.report(outcome, console)
            good = outcome.good
            if result:
                result.write_text(json.dumps(outcome.to_json(), indent=1))
    except KeyboardInterrupt:
        console.print("stopped")
        good = True  # nothing to look into
        return 130
    except RuntimeError as error:
        console.print(str(error), style="red", highlight=False)
    finally:
        if good:
            shutil.rmtree(home, ignore_errors=True)
        else:
            console.print(f"What the processes said is in {home / 'logs'}")
    return 0 if good else 1


def up(console: Console) -> int:
    """Start the scene in the background and say where it is."""
    if (process := _running()) is None:
        RUN.mkdir(exist_ok=True)
        NOTE.unlink(missing_ok=True)
        with (RUN / "up.log").open("wb") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", "sandbox.demo", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        PID.write_text(str(started.pid))
        console.print("Setting up ...")
        deadline = time.monotonic() + UP_S
        while not NOTE.exists() and started.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        process = _running()
    if process is None or not NOTE.exists():
        console.print(f"It is not up; see {RUN / 'up.log'} and {HOME / 'logs'}", style="red")
        return 1
    note = json.loads(NOTE.read_text())
    console.print(f"{note['login']}\nSandbox: {note['sandbox']}   (process {process.pid})", highlight=False)
    console.print(f"The sample posts are due from {note['first_due']} on. `make down` stops it.")
    console.print(f"Commands, such as `schedulo health`, after: . {ENV.relative_to(ROOT)}")
    return 0


def serve(console: Console) -> int:
    """Hold the scene until we are told to stop."""
    shutil.rmtree(HOME, ignore_errors=True)
    with Stage(Stack(HOME, "", environment=ENVIRONMENT)).running() as stage:
        stage.set_up()
        stage.stack.start("watch", "schedulo", "watch")
        note = {
            "login": _login(stage),
            "sandbox": stage.sandbox,
            "first_due": f"{stage.lay_out():%H:%M:%S} UTC",
        }
        _write(ENV, _exports(stage.stack.env()))
        _write(NOTE, json.dumps(note))
        try:
            while True:
                signal.pause()
        except KeyboardInterrupt:
            console.print("stopping")
        finally:
            NOTE.unlink(missing_ok=True)
            ENV.unlink(missing_ok=True)
    return 0


def _exports(environment: Mapping[str, str]) -> str:
    """The settings of an installation as lines for a shell, with its commands before all others."""
    ours = {name: value for name, value in environment.items() if name.startswith(("AIRFLOW", "SCHEDULO_"))}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(ours.items())]
    return "".join(lines) + f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n'


def _write(path: Path, text: str) -> None:
    """For its owner only, and never half."""
    part = path.with_suffix(".part")
    part.touch(0o600)
    part.write_text(text)
    part.replace(path)


def down(console: Console) -> int:
    """Stop what `up` started."""
    process = _running()
    if process is None:
        console.print("Nothing is running.")
        return 0
    process.terminate()
    process.wait(120)
    PID.unlink(missing_ok=True)
    console.print("Stopped.")
    return 0


def report() -> int:
    """The report of the scene that `up` left running; without one, of the ledger that the settings name."""
    command = [str(Path(sys.executable).parent / "schedulo"), "analytics", "report"]
    environment = Stack(HOME, "", environment=ENVIRONMENT).env() if _running() is not None else None
    return subprocess.run(command, env=environment, check=False).returncode


def plan(console: Console) -> int:
    """Accounts, base and posts for the installation whose environment this is; its sandbox is new."""
    sandbox = os.environ.get("SANDBOX_URL")
    if not sandbox:
        console.print("SANDBOX_URL is not set: it must be the address of a sandbox.", style="red")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Installed(Path(folder), sandbox), lead_s=LEAD_S["slow"])
        stage.furnish()
        first_due = stage.lay_out()
    console.print(
        f"{len(scene.POSTS)} posts are in Airtable, the first due at {first_due:%H:%M:%S} UTC.",
        highlight=False,
    )
    return 0


def _running() -> psutil.Process | None:
    """The process that `up` left, if it is still that one."""
    try:
        process = psutil.Process(int(PID.read_text()))
        ours = process.cmdline()[1:4] == ["-m", "sandbox.demo", "serve"]
    except (OSError, ValueError, psutil.Error):
        return None
    return process if ours else None


def _login(stage: Stage) -> str:
    return f"{stage.stack.url}   login admin, password {stage.stack.password}"


def stop(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    options = arguments()
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    match options.verb:
        case "show":
            return perform(console, options.json)
        case "up":
            return up(console)
        case "serve":
            return serve(console)
        case "report":
            return report()
        case "plan":
            return plan(console)
        case _:
            return down(console)


if __name__ == "__main__":
    sys.exit(main())
