"""What formulas compute with: conversions, operators and functions of values. Parsing is `formula`'s part.

Values are None (blank), bool, int, float, str, list, `datetime` (aware) and `date`.
Source: Airtable support, "Formula field reference".
"""

from __future__ import annotations

import calendar
import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

Value = Any


class FormulaError(Exception):
    """#ERROR! while computing a row."""


# ------------------------------------------------------------------ conversions


def truth(value: Value) -> bool:
    """Whether a result keeps its row: not for blank, 0, NaN, "", false and an empty list."""
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case datetime():
            return iso(value)
        case date():
            return value.isoformat()
        case list():
            return ", ".join(map(text, value))
        case _:
            return str(value)


def number(value: Value) -> int | float:
    match value:
        case None | "":
            return 0
        case bool() | int() | float():
            return value
        case str():
            try:
                return float(value)
            except ValueError:
                raise FormulaError from None
        case [one]:
            return number(one)
        case _:
            raise FormulaError


def instant(value: Value) -> datetime | None:
    """A point in time, or None for blank; text must be ISO 8601, and means UTC unless it says otherwise."""
    match value:
        case None | "":
            return None
        case datetime():
            return value
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case str():
            try:
                found = datetime.fromisoformat(value)
            except ValueError:
                raise FormulaError from None
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        case _:
            raise FormulaError


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ------------------------------------------------------------------ operators


def equal(left: Value, right: Value) -> bool:
    if left is None or right is None:
        other = right if left is None else left
        return other in (None, "", 0, [])
    if isinstance(left, date) and isinstance(right, date):
        return instant(left) == instant(right)
    numeric = (bool, int, float)
    if isinstance(left, numeric) and isinstance(right, numeric):
        return left == right
    return text(left) == text(right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def ordered(left: Value, right: Value) -> bool:
        if isinstance(left, date) and isinstance(right, date):
            return compare(instant(left), instant(right))
        if isinstance(left, date) or isinstance(right, date):
            if left is None or right is None:
                return False
            raise FormulaError  # a date and a text: IS_BEFORE and IS_AFTER are for that
        if isinstance(left, str) and isinstance(right, str):
            return compare(left, right)
        return compare(number(left), number(right))

    return ordered


def _divide(left: Value, right: Value) -> float:
    above, below = number(left), number(right)
    if below == 0:
        return math.nan
    return above / below


COMPARISONS: dict[str, Callable[[Value, Value], Value]] = {
    "=": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
}
BINARY: tuple[dict[str, Callable[[Value, Value], Value]], ...] = (
    COMPARISONS,
    {"&": lambda left, right: text(left) + text(right)},
    {
        "+": lambda left, right: number(left) + number(right),
        "-": lambda left, right: number(left) - number(right),
    },
    {"*": lambda left, right: number(left) * number(right), "/": _divide},
)
"""Operators by how tightly they bind, loosest first."""

# ------------------------------------------------------------------ functions on values

UNITS_S = {"millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
UNITS_MONTHS = {"month": 1, "quarter": 3, "year": 12}
UNIT_NAMES = {"ms": "millisecond", "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week",
              "M": "month", "Q": "quarter", "y": "year"}  # fmt: skip


def unit_of(value: Value) -> str:
    given = text(value)
    name = UNIT_NAMES.get(given, given.lower().removesuffix("s"))
    if name not in UNITS_S and name not in UNITS_MONTHS:
        raise FormulaError
    return name


def dateadd(start: Value, count: Value, unit: Value) -> datetime | None:
    moment, step, name = instant(start), number(count), unit_of(unit)
    if moment is None:
        return None
    try:
        if name in UNITS_S:
            return moment + timedelta(seconds=step * UNITS_S[name])
        months = moment.year * 12 + moment.month - 1 + int(step) * UNITS_MONTHS[name]
        year, month = divmod(months, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day)
    except (OverflowError, ValueError):
        raise FormulaError from None


def datetime_diff(left: Value, right: Value, unit: Value = "seconds") -> int:
    """`left` minus `right` in whole units, cut towards zero."""
    after, before, name = instant(left), instant(right), unit_of(unit)
    if after is None or before is None:
        raise FormulaError
    if name in UNITS_S:
        return math.trunc((after - before) / timedelta(seconds=UNITS_S[name]))
    sign = 1 if after >= before else -1
    early, late = sorted((before, after))
    months = (late.year - early.year) * 12 + late.month - early.month
    reached = dateadd(early, months, "months")
    if reached is None or reached > late:
        months -= 1
    return sign * (months // UNITS_MONTHS[name])


PRECISION = ("year", "month", "day", "hour", "minute", "second")


def is_same(left: Value, right: Value, unit: Value = "millisecond") -> bool:
    one, other, name = instant(left), instant(right), unit_of(unit)
    if one is None or other is None:
        return False
    if name not in PRECISION:
        return one == other if name == "millisecond" else datetime_diff(one, other, name) == 0
    length = PRECISION.index(name) + 1
    return one.astimezone(UTC).timetuple()[:length] == other.astimezone(UTC).timetuple()[:length]


def _compare_instants(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def compared(left: Value, right: Value) -> bool:
        one, other = instant(left), instant(right)
        return one is not None and other is not None and compare(one, other)

    return compared


FORMATS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "A": "%p"}
FORMAT_TOKEN = re.compile("|".join(FORMATS))


def _strftime(pattern: Value) -> str:
    return FORMAT_TOKEN.sub(lambda m: FORMATS[m[0]], text(pattern).replace("%", "%%"))


def datetime_parse(value: Value, pattern: Value = None) -> datetime | None:
    if pattern is None or not isinstance(value, str):
        return instant(value)
    try:
        return datetime.strptime(value, _strftime(pattern)).replace(tzinfo=UTC)
    except ValueError:
        raise FormulaError from None


def datetime_format(value: Value, pattern: Value = None) -> str:
    moment = instant(value)
    if moment is None:
        return ""
    return iso(moment) if pattern is None else moment.astimezone(UTC).strftime(_strftime(pattern))


def find(needle: Value, hay: Value, start: Value = 1) -> int:
    return text(hay).find(text(needle), max(int(number(start)) - 1, 0)) + 1


def search(needle: Value, hay: Value, start: Value = 1) -> int | None:
    return find(text(needle).lower(), text(hay).lower(), start) or None


def mid(value: Value, start: Value, count: Value) -> str:
    first = max(int(number(start)) - 1, 0)
    return text(value)[first : first + max(int(number(count)), 0)]


def right(value: Value, count: Value) -> str:
    length = max(int(number(count)), 0)
    return text(value)[-length:] if length else ""


def arrayjoin(values: Value, between: Value = ", ") -> str:
    return text(between).join(map(text, values if isinstance(values, list) else [values]))


def value_of(value: Value) -> int | float | None:
    digits = re.sub(r"[^\d.\-]", "", text(value))
    return number(digits) if digits else None


def error(*_: Value) -> Value:
    raise FormulaError


MANY = 1000
FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "AND": (1, MANY, lambda *values: all(map(truth, values))),
    "OR": (1, MANY, lambda *values: any(map(truth, values))),
    "XOR": (1, MANY, lambda *values: sum(map(truth, values)) % 2 == 1),
    "NOT": (1, 1, lambda value: not truth(value)),
    "TRUE": (0, 0, lambda: True),
    "FALSE": (0, 0, lambda: False),
    "BLANK": (0, 0, lambda: None),
    "ERROR": (0, 1, error),
    "IS_AFTER": (2, 2, _compare_instants(operator.gt)),
    "IS_BEFORE": (2, 2, _compare_instants(operator.lt)),
    "IS_SAME": (2, 3, is_same),
    "DATEADD": (3, 3, dateadd),
    "DATETIME_DIFF": (2, 3, datetime_diff),
    "DATETIME_FORMAT": (1, 2, datetime_format),
    "DATETIME_PARSE": (1, 2, datetime_parse),
    "FIND": (2, 3, find),
    "SEARCH": (2, 3, search),
    "LEN": (1, 1, lambda value: len(text(value))),
    "LOWER": (1, 1, lambda value: text(value).lower()),
    "UPPER": (1, 1, lambda value: text(value).upper()),
    "TRIM": (1, 1, lambda value: text(value).strip()),
    "LEFT": (2, 2, lambda value, count: text(value)[: max(int(number(count)), 0)]),
    "RIGHT": (2, 2, right),
    "MID": (3, 3, mid),
    "CONCATENATE": (1, MANY, lambda *values: "".join(map(text, values))),
    "ARRAYJOIN": (1, 2, arrayjoin),
    "VALUE": (1, 1, value_of),
}
"""Functions of values alone: name -> (fewest arguments, most arguments, function)."""
