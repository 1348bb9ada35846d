"""What the insights of both platforms have in common: which metrics a call names, refusals, rows, time.

One metric that is not served fails the whole call. Breakdowns and demographics are not played.

Sources: Meta, references of IG Media insights, IG User insights and Page insights; what clients met there.
Switches: `meta_retired_metrics` (names separated by commas: no longer served, as if they had never been);
`meta_metric_refusal` "named" | "unnamed" | "unknown" (does a refusal name the metric, or say that it must be
a valid one, or that an unknown error has occurred; by default as each platform does); `meta_insights_lag_h`
(default 0: nothing is told of a post, or of a day, until so many hours are over: an empty list).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox import growth
from sandbox.core import World
from sandbox.meta import errors
from sandbox.meta.graph import GraphService, Request, read_time
from sandbox.meta.store import DAY_S, Medium, PagePost, Store

LONGEST_WINDOW_S = 90 * DAY_S + 3600
"""90 days, one of which may have 25 hours."""


@dataclass(frozen=True, slots=True)
class Number:
    """How a metric of a post comes to its number."""

    whats: tuple[str, ...]
    """The words that it grows by (`sandbox.growth`), summed."""
    scale: float = 1.0
    rate: tuple[float, float] | None = None
    """Bounds of an average or a share; it sways and adds nothing up."""

    def at(self, post_id: str, age_s: float, scale: float) -> int | float:
        if self.rate is None:
            return sum(growth.total(post_id, what, age_s, self.scale * scale) for what in self.whats)
        low, high = self.rate
        sway = growth.chance(post_id, self.whats[0], int(age_s // 3600)) / 10
        return round(low + (high - low) * (0.9 * growth.chance(post_id, self.whats[0]) + sway), 1)


def grows(*whats: str, scale: float = 1.0) -> Number:
    return Number(whats, scale)


def is_out(post: Medium | PagePost, at: float) -> bool:
    """Whether a post is on the air at an instant."""
    return post.created_at <= at and (post.gone_at is None or at < post.gone_at)


def leave(store: Store, post: Medium | PagePost, post_id: str, given: Mapping[str, Any]) -> None:
    """Note when a seeded post will be gone, if it will."""
    if "gone_at" in given:
        post.gone_at = float(given["gone_at"])
        store.will_be_gone(post_id, post.gone_at)


def asked(request: Request, service: GraphService) -> list[str]:
    """The metrics that a call names; Refused where it names none."""
    names = [name for name in re.split(r"[\s,\[\]\"]+", request.params.get("metric", "")) if name]
    if not names:
        raise service.refuse(errors.NO_METRIC)
    return names


def only(request: Request, service: GraphService, *names: str) -> None:
    """Refuse parameters that this kind of object does not take."""
    known = {"access_token", "appsecret_proof", "metric", "locale", "pretty", "format", *names}
    if unknown := sorted(request.params.keys() - known):
        raise service.invalid(f"Unknown parameter: {', '.join(unknown)}")


def check(
    names: Sequence[str],
    served: Collection[str],
    known: Collection[str],
    service: GraphService,
    by_name: bool,
) -> None:
    """Refuse the whole call for the first metric that is not among `served`.

    :param known: all names that the edge knows, for whatever kind of object
    :param by_name: whether the platform names the metric that it refuses
    """
    retired = retired_metrics(service.world)
    for place, name in enumerate(names):
        if name in served and name not in retired:
            continue
        way = service.world.switch("meta_metric_refusal", "named" if by_name else "unnamed")
        if way == "unknown":
            raise service.refuse(replace(errors.UNKNOWN, http=500))
        if way == "unnamed":
            raise service.refuse(errors.BAD_METRIC)
        if name in known and name not in retired:
            raise service.invalid(f"The insights do not support the {name} metric for this type of object")
        valid = ", ".join(sorted(set(known) - retired))
        raise service.invalid(f"metric[{place}] must be one of the following values: {valid}")


def retired_metrics(world: World) -> set[str]:
    return {name.strip() for name in world.switch("meta_retired_metrics", "").split(",")}


def told_until(world: World) -> float:
    """Nothing is told of what is younger than this instant of the world's clock."""
    return world.now() - 3600 * float(world.switch("meta_insights_lag_h", "0"))


def window(request: Request, service: GraphService) -> tuple[float, float] | None:
    """`since` and `until`, at most 90 days; None where neither is given."""
    given = request.params.keys() & {"since", "until"}
    if not given:
        return None
    if len(given) == 1:
        raise service.invalid("Params since and until go together")
    since, until = (read_time(request.params[name], service, name) for name in ("since", "until"))
    if until <= since:
        raise service.invalid("Param until must be after since")
    if until - since > LONGEST_WINDOW_S:
        raise service.invalid("There cannot be more than 90 days between since and until")
    return since, until


def row(node_id: str, name: str, period: str, edge: str = "insights", **values: Any) -> dict[str, Any]:
    """One metric as the lists show it; `values` or `total_value`."""
    title = name.replace("_", " ").capitalize()
    shown = {
        "name": name,
        "period": period,
        "title": title,
        "description": f"{title}, counted by the sandbox",
    }
    return shown | values | {"id": f"{node_id}/{edge}/{name}/{period}"}


def lifetime(node_id: str, numbers: Mapping[str, Any], edge: str = "insights") -> list[dict[str, Any]]:
    return [
        row(node_id, name, "lifetime", edge, values=[{"value": value}]) for name, value in numbers.items()
    ]


def check_lifetime(request: Request, service: GraphService) -> None:
    if request.params.get("period", "lifetime") != "lifetime":
        raise service.invalid("Param period must be lifetime")
