"""What is seen of the demo: progress while one waits, then the table and the last line.

Whether a post is out, when, and how often, is told by what the sandbox received; state, link and message are
read from the post's row in Deliveries, as its author would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from sandbox.demo.scene import PLATFORMS, POSTS, Planned
from sandbox.demo.stage import AirtableBusy, Stage

LOOK_S = 0.5
AIRTABLE_EVERY_S = 3.0
LOCK_OUT_S = 30.0
PATIENCE_S = 180.0
"""How long after the last due instant results are waited for."""
RESTING = {"Published", "Published in part", "Waiting for you in the app", "Failed", "Missed", "Please look"}
NOT_PLANNED = "Not planned"
DRAFT_TAKEN = {"upload": 201, "content_init": 200}
"""The answers to the requests that bring a draft into an inbox."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one post on one account. Instants in epoch seconds."""

    platform: str
    account: str
    title: str
    zone: str
    due: float
    received: tuple[float, ...]
    """When it arrived at the platform: once, if all is well."""
    follows: tuple[int, ...]
    """How often each of what belongs under it arrived: parts of a thread, a first comment."""
    refused: int
    """How often the ordered trouble met it."""
    trouble: str
    """What was ordered for it; empty for nothing."""
    state: str
    link: str

    @property
    def lateness_s(self) -> float:
        return self.received[0] - self.due if self.received else float("inf")

    @property
    def tries(self) -> int:
        return self.refused + len(self.received)


@dataclass(frozen=True, slots=True)
class Outcome:
    results: Sequence[Result]
    problems: dict[str, str]
    """Title of a post that should not go out -> what its row says."""
    strangers: int
    """Arrived, although nobody planned it."""

    @property
    def published(self) -> int:
        return sum(len(result.received) > 0 for result in self.results)

    @property
    def duplicates(self) -> int:
        counts = [count for one in self.results for count in (len(one.received), *one.follows)]
        return sum(max(0, count - 1) for count in counts)

    @property
    def worst_lateness_s(self) -> float:
        """Over all that met no ordered trouble."""
        return max(result.lateness_s for result in self.results if not result.trouble)

    @property
    def early(self) -> int:
        return sum(result.lateness_s < 0 for result in self.results)

    @property
    def good(self) -> bool:
        """All went out exactly once and not early, with what belongs under it; each ordered trouble was met,
        and the wrong post is named."""
        wrong = [post.title for post in POSTS if post.wrong]
        return (
            self.published == len(self.results)
            and all(count == 1 for result in self.results for count in result.follows)
            and not (self.duplicates or self.strangers or self.early)
            and all(result.refused for result in self.results if result.trouble)
            and all(self.problems.get(title) for title in wrong)
        )

    @property
    def last_line(self) -> str:
        return (
            f"published {self.published} of {len(self.results)} · duplicates {self.duplicates} · "
            f"worst lateness {self.worst_lateness_s:.3f} s"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "good": self.good,
            "last_line": self.last_line,
            "published": self.published,
            "planned": len(self.results),
            "duplicates": self.duplicates,
            "strangers": self.strangers,
            "worst_lateness_s": self.worst_lateness_s,
            "results": [
                asdict(one) | {"lateness_s": one.lateness_s, "tries": one.tries} for one in self.results
            ],
            "problems": self.problems,
        }


class Show:
    """Watches one stage from the first post to the last report."""

    def __init__(
        self,
        stage: Stage,
        planned: Sequence[Planned],
        console: Console,
        meanwhile: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """`meanwhile` is called with each look; it must not take long."""
        self._stage = stage
        self._meanwhile = meanwhile
        self._planned = planned
        self._console = console
        self._rows: list[dict[str, Any]] = []
        self._rows_at = 0.0
        self._said: dict[int, str] = {}
        self._named: set[str] = set()

    def watch(self) -> Outcome:
        """Show what happens until every row in Airtable has come to rest."""
        deadline = self._planned[-1].due.timestamp() + PATIENCE_S
        if not self._console.is_terminal:
            return self._watch_plainly(deadline)
        outcome = self._look()
        with Live(self._progress(outcome), console=self._console, auto_refresh=False) as live:
            while not self._at_rest(outcome) and time.time() < deadline:
                time.sleep(LOOK_S)
                outcome = self._look()
                live.update(self._progress(outcome), refresh=True)
        return outcome

    def _watch_plainly(self, deadline: float) -> Outcome:
        """A line for each change."""
        while True:
            outcome = self._look()
            for number, result in enumerate(outcome.results):
                word = _word(result)
                if self._said.get(number) != word:
                    self._said[number] = word
                    clock = datetime.now(UTC).strftime("%H:%M:%S")
                    name = f"{PLATFORMS[result.platform]} {result.account}: {result.title}"
                    self._console.print(f"{clock} UTC  {name}: {word}", highlight=False)
            for title, problem in outcome.problems.items():
                if problem and title not in self._named:
                    self._named.add(title)
                    self._console.print(f"{title}: {NOT_PLANNED.lower()}: {problem}", highlight=False)
            if self._at_rest(outcome) or time.time() > deadline:
                return outcome
            time.sleep(LOOK_S)

    def _at_rest(self, outcome: Outcome) -> bool:
        told = all(result.state in RESTING for result in outcome.results)
        return told and all(outcome.problems.values())

    # --- looking --------------------------------------------------------------------------------------

    def _look(self) -> Outcome:
        if time.monotonic() - self._rows_at > AIRTABLE_EVERY_S:
            self._rows_at = time.monotonic()
            try:
                self._rows = self._stage.deliveries()
            except AirtableBusy:  # what the rows said a moment ago is good enough for a while
                self._rows_at += LOCK_OUT_S
        live = self._stage.control("posts")
        recent = self._stage.control("recent")
        results = [self._result(one, live, recent.get(one.account.platform, [])) for one in self._planned]
        expected = {mark for one in self._planned for mark in (_mark(one), *_follows(one))}
        strangers = sum((post["platform"], post["account_id"], post["text"]) not in expected for post in live)
        problems = {post.title: self._problem(post.title) for post in POSTS if post.wrong}
        outcome = Outcome(results, problems, strangers)
        self._meanwhile(outcome)
        return outcome

    def _result(self, one: Planned, live: list[dict[str, Any]], recent: list[dict[str, Any]]) -> Result:
        account, post = one.account, one.post
        row = self._row(post.title, self._stage.account_ids[account])
        mine = [call for call in recent if call["account_id"] == account.account_id]
        if post.draft:  # no post is live yet: what arrived is the request, and the row says that it rests
            taken = (post.draft, DRAFT_TAKEN[post.draft])
            arrived = [call["received_at"] for call in mine if (call["route"], call["status"]) == taken]
        else:
            arrived = [
                item["received_at"]
                for item in live
                if (item["platform"], item["account_id"], item["text"]) == _mark(one)
            ]
        refused = [
            call
            for call in mine
            if post.fault
            and (call["method"], call["route"], call["status"])
            == (post.fault.method, post.fault.route, post.fault.status)
        ]
        return Result(
            platform=account.platform,
            account=account.username,
            title=post.title,
            zone=account.zone,
            due=one.due.timestamp(),
            received=tuple(arrived),
            follows=tuple(_count(live, mark) for mark in _follows(one)),
            refused=len(refused),
            trouble=post.fault.told if post.fault else "",
            state=str(row.get("State", "")),
            link=str(row.get("Permalink", "")),
        )

    def _row(self, title: str, account_id: str) -> dict[str, Any]:
        post_id = self._stage.post_ids[title]
        found = (row for row in self._rows if row.get("Post") == [post_id])
        return next((row for row in found if row.get("Account") in ([account_id], None)), {})

    def _problem(self, title: str) -> str:
        row = next((row for row in self._rows if row.get("Post") == [self._stage.post_ids[title]]), {})
        return str(row.get("Message", "")) if row.get("State") == NOT_PLANNED else ""

    # --- showing --------------------------------------------------------------------------------------

    def _progress(self, outcome: Outcome) -> Table:
        table = Table("due", "platform", "account", "title", "state", box=None, title_justify="left")
        table.title = f"{datetime.now(UTC):%H:%M:%S} UTC"
        for result in outcome.results:
            due = datetime.fromtimestamp(result.due, ZoneInfo(result.zone))
            platform = PLATFORMS[result.platform]
            table.add_row(f"{due:%H:%M:%S %Z}", platform, result.account, result.title, _word(result))
        for title, problem in outcome.problems.items():
            table.add_row("", "", "", title, NOT_PLANNED.lower() if problem else "")
        return table


def report(outcome: Outcome, console: Console) -> None:
    """The table, the post that is wrong, who waited on purpose, and the last line."""
    table = Table("platform", "account", "title", "due", box=box.SIMPLE_HEAD)
    table.add_column("late", justify="right")
    table.add_column("tries", justify="right")
    table.add_column("link", overflow="fold")
    for result in outcome.results:
        due = datetime.fromtimestamp(result.due, ZoneInfo(result.zone))
        late = f"{result.lateness_s:.3f} s" if result.received else "never came"
        link = result.link or result.state
        late += " *" if result.trouble else "  "
        table.add_row(
            PLATFORMS[result.platform],
            result.account,
            result.title,
            f"{due:%H:%M:%S %Z}",
            late,
            str(result.tries),
            link,
        )
    console.print(table)
    for title, problem in outcome.problems.items():
        console.print(f"not planned, as its row says: {title}: {problem or '(nothing was said)'}")
    waits = [
        f"{result.title} ({result.trouble}; {result.tries} tries, {result.lateness_s:.3f} s late)"
        for result in outcome.results
        if result.trouble
    ]
    console.print(f"* met trouble on order, not counted in the worst lateness: {'; '.join(waits)}")
    if outcome.strangers:
        console.print(f"{outcome.strangers} arrived that nobody planned")
    console.print(outcome.last_line, highlight=False)


def _mark(one: Planned) -> tuple[str, str, str]:
    return one.account.platform, one.account.account_id, one.post.text


def _follows(one: Planned) -> list[tuple[str, str, str]]:
    return [(*_mark(one)[:2], text) for text in one.post.follows]


def _count(live: Sequence[dict[str, Any]], mark: tuple[str, str, str]) -> int:
    return sum((item["platform"], item["account_id"], item["text"]) == mark for item in live)


def _word(result: Result) -> str:
    """How it stands, in a word or two."""
    if result.received:
        return f"out, {result.lateness_s * 1000:.0f} ms late"
    if result.refused:
        return f"{result.trouble}; tried again"
    return result.state.lower() or "planned"
