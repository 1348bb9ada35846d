"""Reads numbers from the Graph API: asks for several metrics at once, and drops alone what is refused.

One metric that Meta does not tell fails the whole call. Where the refusal names it, the others are asked for
again without it; where it does not, each half is asked for by itself. An error that says nothing of metrics
convicts none, unless it comes twice and Meta answered others meanwhile. Which metrics there are is left to
the two platforms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import Any

from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, Scope, Strategy
from schedulo.flow import Flow, Request, Response, side_by_side, step
from schedulo.measures import Availability, Metric, Reading
from schedulo.model import Format
from schedulo.platforms.after import Out, Presence
from schedulo.platforms.graph import LOOK_KEEP_S, Graph, unreadable
from schedulo.platforms.measure import SETTLES_MS, Refused, untold

IN_THE_DARK = 7
"""Calls that fail without naming a metric, and none that tells anything: then it is not about metrics."""
NO_VIEWERS = "not enough viewers"
PERMISSION_CODES = frozenset(map(str, (10, *range(200, 300))))
VAGUE_CODES = frozenset({"1", "-1"})
"""An unknown error: Meta was seen to answer so for a metric that it does not tell."""
GONE = (Availability.GONE, "the account no longer shows the post")
HIDDEN = (Availability.FAILED, "Meta hides the post from this login at the moment (100/33)")
"""What was published lately was seen to be hidden so for days, while the account showed it."""
KINDS_OF_ACTIVITY = frozenset({"like", "comment", "share"})
"""What activity is told by, in whatever case (Meta: Page insights, Video insights)."""
BY_KINDS = "_by_"
"""Meta names so what it tells by kinds (Meta: Page insights, Video insights)."""
SPREADS = frozenset({Availability.RETIRED, Availability.NO_PERMISSION})
"""What is refused so is refused for all posts of its format."""


@dataclass(slots=True)
class Answers:
    """What a conversation about one object came to."""

    rows: dict[str, list[list[Any]]] = field(default_factory=dict)
    """By the platform's name: each value with the `end_time` that it came with, or None."""
    refused: dict[str, Reading] = field(default_factory=dict)
    """By the platform's name; the readings carry that name."""
    missing: str | None = None
    """100/33 in the platform's words: the object is not there, or hidden from this login."""
    over: Reading | None = None
    """The object itself tells no numbers; the reading says why and stands for all."""


def ask(graph: Graph, name: str, request: Callable[[Sequence[str]], Request], natives: Sequence[str]) -> Flow:
    """Ask one object for metrics; ends with `Answers`. Steps are called `name`-0, -1, ...

    Raises `PlatformError` where the answer is about the account or the platform, not about a metric.
    """
    found = Answers()
    queue = [tuple(natives)] if natives else []
    doubted: set[str] = set()
    """What an unknown error came for, once."""
    convicted: dict[str, Reading] = {}
    calls, answered = 0, False
    while queue:
        part = queue.pop(0)
        read = partial(_read, graph, part)
        said = yield from step(f"{name}-{calls}", request(part), read, keep_s=LOOK_KEEP_S)
        calls += 1
        if "rows" in said:
            found.rows |= said["rows"]
            answered = True
        elif "missing" in said:
            found.missing = said["missing"]
            return found
        elif "over" in said:
            found.over = _refusal("", Availability(said["over"]), said["words"])
            return found
        elif said["vague"] and not answered and (calls >= IN_THE_DARK or len(natives) == 1):
            raise _whole(graph, said)
        elif named := said["named"]:
            found.refused[named] = _refusal(named, Availability.RETIRED, said["words"])
            if rest := tuple(one for one in part if one != named):
                queue.insert(0, rest)
        elif len(part) > 1:
            half = len(part) // 2
            queue += [part[:half], part[half:]]
        elif said["vague"] and part[0] not in doubted:
            doubted.add(part[0])
            queue.append(part)
        else:
            refused = convicted if said["vague"] else found.refused
            refused[part[0]] = _refusal(part[0], Availability.RETIRED, said["words"])
    if convicted and not answered:
        raise _whole(graph, said)
    found.refused |= convicted
    return found


def _refusal(native: str, availability: Availability, words: str) -> Reading:
    said = re.sub(r"(following values).*", r"\1 ...", words) or "no words"
    about = f"Meta refuses {native}" if native else "Meta tells no numbers of it"
    return Reading(native, availability=availability, reason=f"{about}: {said}")


def _whole(graph: Graph, answer: Mapping[str, Any]) -> PlatformError:
    return graph.error(
        Phase.READ, answer["status"], answer["code"], answer["subcode"], answer["words"] or "no words"
    )


def _read(graph: Graph, part: Sequence[str], response: Response) -> dict[str, Any]:
    """`rows`, or what the refusal is about. Raises `PlatformError` for what is not about these metrics."""
    try:
        body = graph.data(response, Phase.READ)
    except PlatformError as error:
        return _about(part, response, error)
    items = body.get("data")
    if not isinstance(items, list):
        raise graph.unfit(response, "no list")
    return {"rows": {row["name"]: _values(row) for row in items if row["name"] in part}}


def _values(row: Mapping[str, Any]) -> list[list[Any]]:
    if isinstance(values := row.get("values"), list):
        return [[value.get("value"), value.get("end_time")] for value in values]
    total = row.get("total_value")
    return [[total.get("value"), None]] if isinstance(total, dict) else []


def _about(part: Sequence[str], response: Response, error: PlatformError) -> dict[str, Any]:
    code, _, subcode = error.code.partition("/")
    words = error.message
    if error.code == "100/33":
        return {"missing": words}
    if error.code == "100/2108006":
        return {"over": Availability.ENDED, "words": words}
    if code == "10" and NO_VIEWERS in words.lower():
        return {"over": Availability.TOO_FEW, "words": words}
    if code in PERMISSION_CODES:
        return {"over": Availability.NO_PERMISSION, "words": words}
    about_metrics = code == "100" and not subcode and "metric" in words.lower()
    vague = not about_metrics and code in (*VAGUE_CODES, "100") and not _passing(response)
    if not about_metrics and not vague:
        raise error
    return {
        "words": words,
        "named": _named(words, part) if about_metrics else "",
        "vague": vague,
        "status": response.status,
        "code": code,
        "subcode": subcode,
    }


def _passing(response: Response) -> bool:
    """Whether the error calls itself passing: then it is not about what was asked for."""
    body = response.json()
    said = body.get("error") if isinstance(body, dict) else None
    return isinstance(said, dict) and said.get("is_transient") is True


def _named(words: str, part: Sequence[str]) -> str:
    """The metric that a refusal is about, by its place or by its name beside the word; "" where it does not
    say. Many metrics are plain words, and lists of what would be valid name those that are."""
    if (place := re.search(r"metric\[(\d+)\]", words)) and int(place.group(1)) < len(part):
        return part[int(place.group(1))]
    said = words.partition("following values")[0]
    beside = re.findall(r"metrics?\W+(\w+)", said) + re.findall(r"(\w+)\W+metrics?\b", said)
    named = set(beside) & set(part)
    return named.pop() if len(named) == 1 else ""


# Readings.


def number(metric: Metric, value: Any) -> float | None:
    """The number of a metric in a value; None where there is none.

    `native` may end in `.kind`: what is told by kinds has no entry for those of which there is none (Meta:
    Page insights, limitations), unless it has kinds that nobody knows: then it may have other words for this
    one. Without `.kind` all kinds are summed. That there is none of any kind is a number only of what is told
    by kinds.
    """
    if value == []:  # an empty object, as some of Meta's services write it
        value = {}
    _, _, kind = metric.native.partition(".")
    if value == {} and not kind and BY_KINDS not in metric.native:
        return None
    if not isinstance(value, dict):
        return None if kind else _count(value)
    counts = {key.casefold(): _count(one) for key, one in value.items()}
    told = [one for one in counts.values() if one is not None]
    if len(told) < len(counts):
        return None
    if not kind:
        return sum(told)
    return counts.get(kind.casefold(), 0 if counts.keys() <= KINDS_OF_ACTIVITY else None)


def _count(value: Any) -> float | None:
    told = isinstance(value, int | float) and not isinstance(value, bool)
    return value if told and isfinite(value) else None


def native_of(metric: Metric) -> str:
    """What is asked for."""
    return metric.native.partition(".")[0]


def natives(metrics: Sequence[Metric]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(native_of, metrics)))


def reading(
    metric: Metric, answers: Answers, pick: Callable[[list[list[Any]]], Any] | None = None
) -> Reading:
    """What was said of a metric of an object. `pick` chooses among several values; the first by default."""
    native = native_of(metric)
    found = number(metric, (pick or _first)(answers.rows.get(native) or []))
    if found is not None:
        return Reading(metric.name, found)
    if said := answers.refused.get(native) or answers.over:
        return as_metric(metric, said)
    return _without(metric)


def _without(metric: Metric) -> Reading:
    return Reading(metric.name, availability=Availability.NOT_YET, reason="Meta answered without it")


def _first(values: list[list[Any]]) -> Any:
    return values[0][0] if values else None


def as_metric(metric: Metric, said: Reading) -> Reading:
    return Reading(metric.name, availability=said.availability, reason=said.reason)


# Accounts.


def fields(graph: Graph, name: str, request: Request) -> Flow:
    """The fields of an account as they stand, by their names. Raises a `PlatformError` about the account
    where it cannot be read."""
    return (yield from step(name, request, partial(_fields, graph), keep_s=LOOK_KEEP_S))


def _fields(graph: Graph, response: Response) -> dict[str, Any]:
    try:
        return graph.data(response, Phase.READ)
    except PlatformError as error:
        if unreadable(error):
            raise hidden_account(graph, error.message) from None
        raise


def as_it_stands(metric: Metric, fields: Mapping[str, Any]) -> Reading:
    value = number(metric, fields.get(metric.native))
    if value is None:
        return _without(metric)
    return Reading(metric.name, value)


# Posts.

ReadPost = Callable[[Out, Refused], Flow]
"""The flow of one post; ends with its readings, or with None where Meta says that it is not there."""


def read_posts(
    graph: Graph,
    posts: Sequence[Out],
    now_ms: int,
    refused: Refused,
    metrics: Callable[[Out], Sequence[Metric]],
    read: ReadPost,
    look: Callable[[Sequence[Out]], Flow],
) -> Flow:
    """The readings of posts of one account, by key.

    Of each format one post is read first, then another, then the rest: what both were refused is not asked
    for again. A refusal of one post alone is about that post, and not learned. An error that is about one
    post makes its readings FAILED; where no post can be read, the first error is raised.

    :param look: the flow that tells the `Presence` of posts that are said not to be there
    """
    told: dict[str, Sequence[Reading]] = {}
    errors: list[PlatformError] = []
    missing: list[Out] = []
    known = dict(refused)
    for wave in _waves(posts):
        answers = yield from side_by_side(*(_guarded(read(out, known)) for out in wave))
        for out, answer in zip(wave, answers, strict=True):
            if isinstance(answer, _Failed):
                errors.append(answer.error)
                told[out.key] = untold(metrics(out), Availability.FAILED, answer.error.sentence())
            elif answer is None:
                missing.append(out)
            else:
                told[out.key] = answer
        known |= _learned(posts, told)
        if 1 < len(errors) == len(told) + len(missing):
            raise errors[0]
    if missing:
        there = yield from _guarded(look(missing))
        if isinstance(there, _Failed) and unreadable(there.error):
            raise hidden_account(graph, there.error.message)
        if isinstance(there, _Failed):
            errors.append(there.error)
            there = {}
        for out in missing:
            gone = there.get(out.key) is Presence.ABSENT and now_ms >= out.since_ms + SETTLES_MS
            told[out.key] = untold(metrics(out), *(GONE if gone else HIDDEN))
    if errors and len(errors) >= len(posts) - len(missing) + bool(missing):
        raise errors[0]
    return _of_one_post(posts, told)


def _waves(posts: Sequence[Out]) -> list[list[Out]]:
    """The first post of each format, then the second, then all others."""
    seen: dict[Format, int] = {}
    waves: tuple[list[Out], list[Out], list[Out]] = ([], [], [])
    for out in posts:
        place = seen.get(out.content.format, 0)
        seen[out.content.format] = place + 1
        waves[min(place, 2)].append(out)
    return [wave for wave in waves if wave]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: PlatformError


def _guarded(flow: Flow) -> Flow:
    """The flow's end, or `_Failed` where the error says nothing of the account."""
    try:
        return (yield from flow)
    except PlatformError as error:
        if about_more(error):
            raise
        return _Failed(error)


def hidden_account(graph: Graph, words: str) -> PlatformError:
    """100/33 of the account itself: nothing of it can be read."""
    about_it = Diagnosis(Kind.PERMISSION, refusal=False)
    return PlatformError(graph.platform, about_it, status=400, code="100/33", message=words)


def about_more(error: PlatformError) -> bool:
    """It says something of the account, the platform or the way there; other errors spoil one answer."""
    waits = error.info.strategy is Strategy.WAIT
    return waits or error.scope is not Scope.DELIVERY or error.kind is Kind.NETWORK


def _measured(posts: Sequence[Out], told: Mapping[str, Sequence[Reading]]) -> set[tuple[Format | None, str]]:
    return {
        (out.content.format, one.metric)
        for out in posts
        for one in told.get(out.key, ())
        if one.value is not None
    }


def _learned(posts: Sequence[Out], told: Mapping[str, Sequence[Reading]]) -> Refused:
    """What two posts of a format were refused, and none was told."""
    refusals: dict[tuple[Format | None, str], list[Reading]] = {}
    for out in posts:
        for one in told.get(out.key, ()):
            if one.availability in SPREADS:
                refusals.setdefault((out.content.format, one.metric), []).append(one)
    measured = _measured(posts, told)
    return {place: said[0] for place, said in refusals.items() if len(said) > 1 and place not in measured}


def _of_one_post(posts: Sequence[Out], told: Mapping[str, Sequence[Reading]]) -> dict[str, Sequence[Reading]]:
    """A metric that is refused for one post and told of another of its format is not retired: Meta may tell
    it of this post another day."""
    measured = _measured(posts, told)

    def mild(out: Out, one: Reading) -> Reading:
        if one.availability is Availability.RETIRED and (out.content.format, one.metric) in measured:
            return Reading(one.metric, availability=Availability.NOT_YET, reason=one.reason)
        return one

    return {out.key: [mild(out, one) for one in told[out.key]] for out in posts}
