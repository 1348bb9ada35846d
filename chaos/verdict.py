"""What became of the posts: counted by their marks at the platforms, explained by the ledger.

Whether a post is out, and how often, only the platforms say. The ledger says why one is not, what it gave to
a person, and what it still works on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.plans import MARK
from chaos.posts import Planned
from schedulo.delivery.transitions import RESTING
from schedulo.model import State

UNRESOLVED_SHARE = 0.02
"""So many posts may be left to a person."""


@dataclass(frozen=True, slots=True)
class End:
    """How the ledger left a delivery."""

    delivery_id: str
    state: State
    reason: str
    """Why it is where it is; empty for what is simply out."""
    resends: int
    error_kind: str = ""

    @property
    def rests(self) -> bool:
        return rests(self.state, self.error_kind)


def rests(state: State, error_kind: str) -> bool:
    """Nobody works on it any more. A post of which parts are out goes on while no error stops it."""
    return state in RESTING and (state is not State.PUBLISHED_INCOMPLETE or bool(error_kind))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts; each list names posts by their title."""

    posts: int
    published: int
    published_incomplete: int
    planned_failures: int
    failed_unplanned: tuple[str, ...]
    missed: tuple[str, ...]
    held: tuple[str, ...]
    lost: tuple[str, ...]
    stuck: tuple[str, ...]
    unresolved: tuple[str, ...]
    unresolved_out: int
    """How many of the unresolved are out in fact; they are not counted as published."""
    twice: Mapping[str, int]
    """Marks that are out more than once, and how often."""
    resends: int

    @property
    def duplicates(self) -> int:
        """Copies beyond the first, of all marks."""
        return sum(times - 1 for times in self.twice.values())

    def faults(self) -> list[str]:
        """Why this run does not pass; empty where it does."""
        wrong = {
            "duplicates": self.duplicates,
            "lost": len(self.lost),
            "stuck": len(self.stuck),
            "failed without need": len(self.failed_unplanned),
            "missed": len(self.missed),
            "held": len(self.held),
        }
        found = [f"{number} {name}" for name, number in wrong.items() if number]
        if len(self.unresolved) > UNRESOLVED_SHARE * self.posts:
            found.append(f"{len(self.unresolved)} unresolved, more than {UNRESOLVED_SHARE:.0%}")
        if self.published + len(self.unresolved) + self.planned_failures != self.posts:
            found.append("published, unresolved and planned failures are not all posts")
        return found


def seen(live: Iterable[Mapping[str, Any]], inbox: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How often each mark, or file of what has no text, is at a platform."""
    found: Counter[str] = Counter()
    for item in live:
        found.update(set(MARK.findall(item["text"]) if item["text"] else item["media"]))
    for draft in inbox:
        found.update(set(draft["media"]))
    return found


def judge(posts: Sequence[Planned], at_platforms: Counter[str], ends: Mapping[str, End]) -> Verdict:
    """`ends` by the posts' titles; a post that was never planned has none."""
    lists: dict[str, list[str]] = {
        name: [] for name in ("failed_unplanned", "missed", "held", "lost", "stuck", "unresolved")
    }
    numbers: Counter[str] = Counter()
    twice: dict[str, int] = {}
    for post in posts:
        marks = post.digests() if post.shape.hidden else post.marks
        for mark in marks:
            if at_platforms[mark] > 1:
                twice[f"{post.title} ({post.account.platform} {post.shape.name})"] = at_platforms[mark]
        end = ends.get(post.title)
        out = at_platforms[marks[0]] > 0
        state = end.state if end else None
        if out and any(at_platforms[mark] == 0 for mark in marks) and state is not State.UNRESOLVED:
            told = state is State.PUBLISHED_INCOMPLETE or (state is State.PUBLISHED and end and end.reason)
            if told:
                numbers["incomplete"] += 1
            else:
                lists["lost"].append(post.title)  # a part of it, and nobody knows
        if end and not end.rests and state is not State.HELD:
            lists["stuck"].append(post.title)
        if state is State.UNRESOLVED:
            lists["unresolved"].append(post.title)
            numbers["unresolved_out"] += out
        elif out:
            numbers["published"] += 1
        elif post.doom:
            numbers["planned"] += 1
        elif state is State.FAILED:
            lists["failed_unplanned"].append(post.title)
        elif state is State.MISSED:
            lists["missed"].append(post.title)
        elif state is State.HELD:
            lists["held"].append(post.title)
        elif end is None or state in RESTING:  # never planned, cancelled, or said to be out and is not
            lists["lost"].append(post.title)
    return Verdict(
        posts=len(posts),
        published=numbers["published"],
        published_incomplete=numbers["incomplete"],
        planned_failures=numbers["planned"],
        twice=twice,
        resends=sum(end.resends for end in ends.values()),
        unresolved_out=numbers["unresolved_out"],
        **{name: tuple(titles) for name, titles in lists.items()},
    )
