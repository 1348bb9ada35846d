"""Which faults the sandbox is ordered to show, and when: changing weather, from a seed.

Every half minute the old orders are withdrawn and new ones drawn over all routes that were asked for so far,
more of them on the requests that publish. The orders that doom a post stand all the time, as does read lag.

Every mode of the sandbox is used, but these, which would let the platform itself do wrong by us:
- `auto_publish`: a draft goes public by itself. A draft whose answer was lost is made again, so an abandoned
  one that goes public is a second post which nobody asked for.
- `drop_child`: makes one post incomplete at the platform; it concerns carousels only, and shows no copy.
- `delay`, `late` beyond S and `read_lag` beyond L: the law's own assumptions (docs/explanation).
`expire_token` and `processing_fails` are for good: they doom posts (`posts.DOOMS`) and hit no other.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rig import Sandbox
from sandbox import garbage

PERIOD_S = 30.0
LATE_S = 8
"""The longest `late` and `delay`, below S; the sandbox has less than S to do it in on a busy machine."""
LAG_S = 8
"""The longest read lag, below L."""
SERVICES = ("airtable", "instagram", "facebook", "rupload", "x", "tiktok")
PLATFORM_SERVICES = SERVICES[1:]

COMMITS: tuple[tuple[str, str], ...] = (
    ("instagram", "media_publish"),
    ("facebook", "feed"),
    ("facebook", "post"),
    ("facebook", "videos:finish"),
    ("facebook", "video_reels:finish"),
    ("x", "create_post"),
    ("tiktok", "upload"),
    ("instagram", "comments"),
    ("facebook", "comments"),
)
"""(service, route) of the requests that publish."""
ONLY_COMMITS: frozenset[tuple[str, str]] = frozenset(COMMITS) - {
    ("facebook", "feed"),
    ("facebook", "post"),
    ("tiktok", "upload"),
}
"""Those that publish and do nothing else; the others also prepare."""

MODES: Mapping[str, int] = {
    "status:500": 2,
    "status:502": 1,
    "status:503": 2,
    "error_after:500": 2,
    "error_after:503": 1,
    "drop_before": 2,
    "drop_after": 3,
    "late": 2,
    "delay": 2,
    "garbage_2xx": 1,
    "garbage": 1,
    "garbage_after": 1,
    "rate_limit": 1,
}
"""Modes of the frame, by weight; what follows the colon is drawn for those that need it."""
WAYS = sorted(garbage.WAYS)
OWN_MODES: tuple[tuple[str, str], ...] = (
    ("instagram", "unreadable:page"),
    ("facebook", "unreadable:page"),
    ("x", "unreadable:any"),
    ("tiktok", "unreadable:any"),
    ("instagram", "mangle_text"),
    ("facebook", "mangle_text"),
    ("x", "mangle_text"),
    ("instagram", "error_after:403/4/2207051"),
)
"""(service, mode) that only this service has."""
STANDING: tuple[Mapping[str, Any], ...] = (
    # A second publish of one container or video is a copy: the sandbox is no help against sending twice.
    {"service": "instagram", "mode": "republish:copy", "times": -1},
    {"service": "facebook", "mode": "republish:copy", "times": -1},
)


@dataclass(slots=True)
class Weather:
    """Orders faults; `fired` counts those that hit."""

    sandbox: Sandbox
    dice: random.Random
    permanent: Sequence[Mapping[str, Any]]
    commits_a_period: float
    """About how many posts go out in one period."""
    commit_modes: Sequence[str] = ()
    """Only these on the requests that publish; empty: all."""
    share: float = 0.35
    """So many orders on requests that publish, for each post that goes out."""
    fired: int = 0
    _placed: int = field(default=0)

    def change(self) -> None:
        """New orders for the next period."""
        self._count()
        orders = [*self.permanent, *STANDING, *self._lags(), *self._drawn()]
        self.sandbox.control("DELETE", "faults")
        self.sandbox.control("POST", "faults", orders)
        self._placed = sum(order.get("times", 1) for order in orders if order.get("times", 1) > 0)

    def slow_commits(self, seconds: float) -> None:
        """The next requests that publish are answered so much later: writes stay open that long."""
        orders = [
            {"service": service, "route": route, "mode": f"delay:{seconds:g}", "times": 1}
            for service, route in COMMITS
        ]
        self.sandbox.control("POST", "faults", orders)
        self._placed += len(orders)

    def clear(self) -> None:
        """The weather is over; what dooms a post stays."""
        self._count()
        self._placed = 0
        self.sandbox.control("DELETE", "faults")
        self.sandbox.control("POST", "faults", list(self.permanent))

    def _count(self) -> None:
        left = sum(max(0, order["times"]) for order in self.sandbox.control("GET", "faults"))
        self.fired += max(0, self._placed - left)

    def _lags(self) -> list[dict[str, Any]]:
        return [
            {"service": service, "mode": f"read_lag:{self.dice.randint(1, LAG_S)}", "times": -1}
            for service in PLATFORM_SERVICES
        ]

    def _drawn(self) -> list[dict[str, Any]]:
        seen = [(row[0], row[1], row[2]) for row in self.sandbox.counts().calls if row[0] in SERVICES]
        orders = []
        for _ in range(max(4, round(self.commits_a_period * self.share))):
            service, route = self.dice.choice(COMMITS)
            mode = self.dice.choice(self.commit_modes) if self.commit_modes else self._mode()
            orders.append({"service": service, "route": route, "mode": mode, "after": self.dice.randrange(4)})
        for service, method, route in sorted(seen):
            if self.dice.random() < 0.5:
                orders.append(
                    {
                        "service": service,
                        "method": method,
                        "route": route,
                        "mode": self._mode(),
                        "times": self.dice.randint(1, 2),
                        "after": self.dice.randrange(10),
                    }
                )
        for service, mode in self.dice.sample(OWN_MODES, 3):
            route = "media_publish" if mode.startswith("error_after") else "*"
            orders.append(
                {"service": service, "route": route, "mode": mode, "times": self.dice.randint(1, 4)}
            )
        return orders

    def _mode(self) -> str:
        mode = self.dice.choices(list(MODES), list(MODES.values()))[0]
        match mode:
            case "late" | "delay":
                return f"{mode}:{self.dice.randint(1, LATE_S)}"
            case "garbage":  # not done and yet a 2xx: no platform could be believed any more
                return f"{mode}:{self.dice.choice(WAYS)}/502"
            case "garbage_after":
                return f"{mode}:{self.dice.choice(WAYS)}/{self.dice.choice((200, 502))}"
            case "rate_limit":
                return f"{mode}:{self.dice.randint(2, 15)}"
            case _:
                return mode
