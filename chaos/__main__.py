"""`python -m chaos`: posts go out while everything breaks; 0 when each is out once, or known not to be.

With `--break`, one guard is taken out, and 0 means that the duplicates which it prevents were found.
"""

from __future__ import annotations

import argparse
import base64
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests
from rich.console import Console

from benchmarks import plans
from benchmarks.report import machine
from benchmarks.rig import Ground, Rig, ground, say, sleep_until
from chaos import posts as posts_
from chaos import report
from chaos.blows import Fist, agenda
from chaos.broken import GUARDS
from chaos.hunts import HUNTS
from chaos.installation import AIRFLOW, LAW, Installation, installed
from chaos.verdict import End, Verdict, judge, seen
from chaos.watch import Watch
from chaos.weather import PERIOD_S, Weather
from sandbox.stack import Stack
from schedulo.ledger.database import Ledger

KILLS_A_MINUTE = 4.6
PATIENCE_S = 900.0
"""So long after the chaos everything may take to come to rest."""
USUAL = {"posts": 500, "minutes": 10.0}
USUAL_BROKEN = {"posts": 60, "minutes": 4.0}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--posts", type=int, help="500; 60 with --break")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, help="how long the chaos lasts: 10; 4 with --break")
    parser.add_argument("--break", dest="guard", choices=sorted(GUARDS), help="take this guard out")
    parser.add_argument("--out", type=Path, help="where the result goes; default benchmarks/chaos.json")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy the processes' logs here")
    options = parser.parse_args(argv)
    usual = USUAL_BROKEN if options.guard else USUAL
    options.posts = options.posts or usual["posts"]
    options.minutes = options.minutes or usual["minutes"]
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped all the same
    with ground() as base:
        stack = Stack(
            base.folder / "home",
            base.sandbox.url,
            metadata_url=base.database("airflow"),
            ledger_url=base.database("ledger"),
            environment={**LAW, **AIRFLOW},
        )
        with installed(stack, options.guard or "") as installation:
            try:
                return Run(base, installation, options).perform()
            finally:
                if options.keep:
                    _keep_logs(stack.home, options.keep)


class Run:
    """One run, from the first row typed to the verdict."""

    def __init__(self, base: Ground, installation: Installation, options: argparse.Namespace) -> None:
        self._base = base
        self._options = options
        self._dice = random.Random(options.seed)
        self._installation = installation
        self._posts = posts_.plan(options.posts, options.seed, options.minutes)
        self._watch = Watch(installation.stack.ledger)
        self._hunt = HUNTS.get(options.guard)
        self._weather = Weather(
            base.sandbox,
            random.Random(options.seed + 1),
            posts_.permanent(self._posts),
            commits_a_period=options.posts / (options.minutes * 60 * posts_.DUE_SHARE) * PERIOD_S,
            commit_modes=self._hunt.commit_modes if self._hunt else (),
        )
        dice = random.Random(options.seed + 2)
        self._fist = Fist(installation, self._watch, self._weather, base.sandbox, base.server, dice)
        self._console = Console(width=None if Console().is_terminal else 150)

    def perform(self) -> int:
        rows = self._set_up()
        with self._watch.watching(), ExitStack() as stack:
            began = time.time()
            stack.enter_context(self._released(began, rows))
            if self._hunt:
                until = began + posts_.CALM_S + self._options.minutes * 60
                self._hunt.go(self._fist, until, self._weather, self._duplicates)
            else:
                self._storm(began + posts_.CALM_S)
            self._weather.clear()
            self._fist.calm()
            say(f"calm: {_words(self._watch)}")
            self._until_rest(began)
            return self._conclude()

    def _set_up(self) -> Mapping[str, Any]:
        """Stand-ins seeded, Airflow up, all rows typed; answers the rows' ids by title."""
        sandbox, stack = self._base.sandbox, self._installation.stack
        rig = Rig(sandbox, stack, Ledger(stack.ledger))
        account_rows = plans.connect(rig, posts_.accounts_of(self._posts))
        files = [
            {"path": name, "content_type": kind, "base64": base64.b64encode(content).decode()}
            for post in self._posts
            for name, (kind, content) in post.files().items()
        ]
        sandbox.control("POST", "seed", {"media": {"files": files}})
        sandbox.control("POST", "switches", {"x_duplicate_hours": "0"})  # X's own filter is no help either
        if self._options.guard == "fence":
            with psycopg.connect(stack.ledger, autocommit=True) as connection:
                connection.execute("DROP INDEX uq_writes_live")
        self._installation.start_all()
        begins = time.time() + 5 + len(self._posts) / 40  # typing takes a while
        typed = [
            post.row(account_rows[post.account.key], f"{sandbox.url}/media", plans.iso(begins + post.due_s))
            for post in self._posts
        ]
        ids = plans.create(sandbox, "Posts", typed)
        say(f"Airflow is up; {len(ids)} posts are typed, {len(files)} files")
        sleep_until(begins)
        return {post.title: id_ for post, id_ in zip(self._posts, ids, strict=True)}

    @contextmanager
    def _released(self, began: float, rows: Mapping[str, Any]) -> Iterator[None]:
        """Meanwhile people set their posts to Ready, each some time before it is due."""
        ended = threading.Event()

        def work() -> None:
            waiting = sorted(self._posts, key=lambda post: post.released_s)
            while waiting and not ended.wait(1.0):
                due = [post for post in waiting if began + post.released_s <= time.time()][:10]
                if due and _release(self._base.sandbox, [rows[post.title] for post in due]):
                    waiting = waiting[len(due) :]

        thread = threading.Thread(target=work, name="people", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(30)

    def _storm(self, began: float) -> None:
        """Weather and blows from `began` on until the time is over."""
        sleep_until(began)
        seconds = self._options.minutes * 60
        due_s = (self._posts[0].due_s - posts_.CALM_S, self._posts[-1].due_s - posts_.CALM_S)
        blows = agenda(self._dice, seconds, KILLS_A_MINUTE, due_s)
        changes_at = began
        while time.time() < began + seconds:
            if time.time() >= changes_at:
                self._weather.change()
                changes_at += PERIOD_S
                say(f"{time.time() - began:.0f} s: {_words(self._watch)}")
            if blows and self._fist.rested and time.time() >= began + blows[0][0]:
                self._fist.deal(blows.pop(0)[1])
            self._fist.tend()
            time.sleep(0.2)

    def _until_rest(self, began: float) -> None:
        deadline = time.time() + PATIENCE_S
        said = 0.0
        last_due = began + max(post.due_s for post in self._posts)
        bound_to_fail = {post.title for post in self._posts if post.doom}
        while time.time() < deadline:
            self._fist.tend()
            known = len(self._watch.states) >= len(self._posts) - self._never_planned()
            if time.time() > last_due and known and not self._watch.moving(bound_to_fail):
                return
            if self._hunt and self._duplicates():
                return
            if time.time() > said + 60:
                said = time.time()
                say(_words(self._watch))
            time.sleep(2)
        say(f"patience is over: {_words(self._watch)}")

    def _never_planned(self) -> int:
        """Posts whose rows are refused: they get no delivery."""
        return sum(post.doom is not None and not post.doom.orders for post in self._posts)

    def _duplicates(self) -> int:
        return self._judge({}).duplicates

    def _judge(self, ends: Mapping[str, End]) -> Verdict:
        sandbox = self._base.sandbox
        return judge(self._posts, seen(sandbox.posts(), sandbox.control("GET", "inbox")), ends)

    def _conclude(self) -> int:
        ends = self._watch.ends()
        verdict = self._judge(ends)
        result = report.figures(
            verdict,
            seed=self._options.seed,
            kills=self._fist.kills,
            kills_with_open_write=self._fist.kills_with_open_write,
            faults=self._weather.fired,
            longest_recovery_s=round(self._watch.longest_recovery_s(), 1),
            unresolved_out=verdict.unresolved_out,
            minutes=self._options.minutes,
            machine=machine(self._base.postgres_version()),
        )
        report.tell_stories(self._console, verdict, ends, self._watch)
        report.show(self._console, result, self._fist.timeline, verdict)
        return self._sum_up(verdict, result)

    def _sum_up(self, verdict: Verdict, result: Mapping[str, Any]) -> int:
        if self._options.guard:
            found = verdict.duplicates
            self._console.print(f"without {self._options.guard}: {found} duplicates found")
            return 0 if found else 1
        report.write(result, self._options.out or report.RESULT)
        wrong = verdict.faults()
        self._console.print("; ".join(wrong) if wrong else "every post is out once, or known not to be")
        return 1 if wrong else 0


def _release(sandbox: Any, ids: Sequence[str]) -> bool:
    """Set these rows to Ready. Airtable may be in trouble: then it is done again, which does no harm."""
    body = {"records": [{"id": id_, "fields": {"Status": "Ready"}} for id_ in ids]}
    headers = {"Authorization": f"Bearer {plans.TOKEN}"}
    try:
        with sandbox.planting():
            url = f"{sandbox.url}/airtable/v0/{plans.BASE}/Posts"
            return requests.patch(url, json=body, headers=headers, timeout=20).status_code == 200
    except requests.RequestException:
        return False


def _words(watch: Watch) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(watch.count().items())) or "nothing yet"


def _keep_logs(home: Path, target: Path) -> None:
    for folder in ("logs", "airflow/logs"):
        if (home / folder).exists():
            shutil.copytree(home / folder, target / folder, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
