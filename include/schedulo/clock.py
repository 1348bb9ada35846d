"""Turns what people write about time into instants: a wall-clock time with a zone, or Airtable's ISO text.

A wall-clock time that a zone skips moves forward by the gap; one that it shows twice means the first. Both
leave a note. Which zone counts (the post's, the account's, the base's) is left to the caller.
"""

from __future__ import annotations

import difflib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from schedulo.model import Problem

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WALL = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?")


class ClockError(ValueError):
    """A time or a zone that means nothing. `problem` names field, value, rule, and who mends it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence())
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time. `note` says in a sentence what had to be decided, and is empty when nothing had."""

    ms: int
    note: str = ""


def to_ms(moment: datetime) -> int:
    """An aware moment, in whole milliseconds since the epoch."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def instant(
    wall: datetime | str, zone: str, *, field: str = "Publish time", zone_field: str = "Time zone"
) -> Instant:
    """The instant at which clocks in `zone` show `wall`.

    :param wall: a datetime without zone, or text such as `2026-12-24 18:00` (seconds may follow)
    :param zone: an IANA name such as `Europe/Berlin`
    :param field: what people call the field that holds `wall`, for the error; `zone_field` likewise
    :raises ClockError: for text that is no date and time, and for unknown zones
    """
    local = _wall(wall, field)
    region = time_zone(zone, field=zone_field)
    # Of two readings of one wall-clock time, fold 0 counts with the offset before the change and fold 1 with
    # the one after it (PEP 495). In a gap the first is therefore the time moved forward by the gap.
    before, after = (_offset(local, region, fold) for fold in (0, 1))
    try:
        first = local.replace(tzinfo=UTC) - before
        shown = first.astimezone(region)
    except OverflowError:
        raise ClockError(_no_time(field, str(wall))) from None
    note = ""
    if before < after:
        note = (
            f"{local:%Y-%m-%d %H:%M} is skipped in {zone}, where clocks go forward: {shown:%H:%M} is meant."
        )
    elif before > after:
        note = f"{local:%Y-%m-%d %H:%M} happens twice in {zone}, where clocks go back: the first is meant."
    return Instant(to_ms(first), note)


def time_zone(name: str, *, field: str = "Time zone") -> ZoneInfo:
    """The zone of an IANA name. Raises ClockError for any other text."""
    if name not in _zones():
        near = difflib.get_close_matches(name, _zones(), n=1)
        hint = f"Do you mean {near[0]}?" if near else "The author of the post changes it."
        raise ClockError(Problem(field, name, "must be an IANA time zone such as Europe/Berlin", hint))
    return ZoneInfo(name)


def parse_instant(text: str, *, field: str = "Publish at") -> int:
    """Milliseconds of an ISO 8601 text with a zone, as Airtable sends it: `2026-12-24T17:00:00.000Z`.

    :raises ClockError: for anything else, also for a date without a time
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        rule = "must be a date with a time, as Airtable's field type 'Date' with 'Include time' gives"
        raise ClockError(Problem(field, str(text), rule, "Who set up the base changes the field's type."))
    return to_ms(moment)


def instant_of(value: Any) -> int | None:
    """The same of what a service says beside other things; None where it says none."""
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ClockError:
        return None


def iso(ms: int) -> str:
    """An instant as Airtable takes and shows it."""
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def month_of(ms: int) -> str:
    """The month (UTC) of an instant, as 2026-11."""
    return f"{EPOCH + timedelta(milliseconds=ms):%Y-%m}"


def spoken(ms: int, now_ms: int) -> str:
    """An instant as people are told it: `14:30:05 UTC`, with its day where that is not clear."""
    moment = EPOCH + timedelta(milliseconds=ms)
    day = "" if abs(ms - now_ms) < 20 * 3_600_000 else f"{moment.day} {moment:%b %Y} "
    return f"{day}{moment:%H:%M:%S} UTC"


def _wall(wall: datetime | str, field: str) -> datetime:
    if isinstance(wall, datetime):
        if wall.tzinfo is not None:
            rule = "is a wall-clock time and must not bear a zone of its own"
            raise ClockError(Problem(field, str(wall), rule, "Leave the zone out."))
        return wall.replace(fold=0)
    match = WALL.fullmatch(wall.strip())
    try:
        if match is not None:
            return datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        pass
    raise ClockError(_no_time(field, wall))


def _no_time(field: str, value: str) -> Problem:
    return Problem(
        field,
        value,
        "must be a date and a time such as 2026-12-24 18:00, without a zone",
        "The author of the post corrects it.",
    )


def _offset(local: datetime, region: ZoneInfo, fold: int) -> timedelta:
    offset = local.replace(tzinfo=region, fold=fold).utcoffset()
    assert offset is not None
    return offset


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
