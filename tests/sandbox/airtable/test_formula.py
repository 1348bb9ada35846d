"""The formula interpreter, on one row without a server."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyairtable.formulas import quoted

from sandbox.airtable.formula import BadFormula, Scope, compile_formula, keeps
from sandbox.airtable.functions import FormulaError, dateadd, datetime_diff

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CELLS = {
    "Name": "Ada",
    "N": 3,
    "Zero": 0,
    "Empty": None,
    "Tags": ["red", "blue"],
    "Due": datetime(2026, 11, 22, 12, 10, tzinfo=UTC),
    "Day": date(2026, 11, 22),
    "Done": True,
    "With } brace": "b",
}


class Row:
    record_id = "rec00000000000001"
    created_ms = 1_000

    def value(self, field_id: str) -> Any:
        return CELLS[field_id]

    def modified_ms(self, field_ids: Sequence[str]) -> int | None:
        return {(): 9_000, ("Name",): 5_000}.get(tuple(field_ids))


def run(source: str) -> Any:
    return compile_formula(source, Scope({name: name for name in CELLS}, NOW))(Row())


def kept(source: str) -> bool:
    return keeps(compile_formula(source, Scope({name: name for name in CELLS}, NOW)), Row())


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5),
        ("(1 + 2) * 3", 9),
        ("-2 - -3", 1),
        ("2 + 3 & 'x'", "5x"),
        ("1 & 2 = '12'", True),
        ("{Name} & ' ' & {N}", "Ada 3"),
        ("Name = 'Ada'", True),
        ("{With \\} brace}", "b"),
        ('\'it\\\'s\' & "a \\"b\\""', "it's" + 'a "b"'),
        ("{N} >= 3", True),
        ("{N} != 3", False),
        ("{Empty} = BLANK()", True),
        ("{Empty} = ''", True),
        ("{Empty} = 0", True),
        ("{Empty} + 1", 1),
        ("{Done} = TRUE()", True),
        ("IF({Empty}, 'full', 'empty')", "empty"),
        ("IF({Name}, 'full')", "full"),
        ("IF({Empty}, 1)", None),
        ("AND(1, 'a', {N})", True),
        ("OR(0, '', {Empty})", False),
        ("XOR(1, 1, 1)", True),
        ("NOT({Zero})", True),
        ("RECORD_ID()", "rec00000000000001"),
        ("FIND('d', {Name})", 2),
        ("FIND('z', {Name})", 0),
        ("SEARCH('DA', {Name})", 2),
        ("SEARCH('z', {Name})", None),
        ("LEN(TRIM('  ab '))", 2),
        ("LOWER('aB') & UPPER('aB')", "abAB"),
        ("LEFT('abcd', 2) & RIGHT('abcd', 1) & MID('abcd', 2, 2)", "abdbc"),
        ("RIGHT('abcd', 0)", ""),
        ("CONCATENATE('a', 1, TRUE())", "a11"),
        ("ARRAYJOIN({Tags}, '|')", "red|blue"),
        ("{Tags} & ''", "red, blue"),
        ("VALUE('$1,200.50')", 1200.5),
        ("ISERROR(1/0)", True),
        ("ISERROR(ERROR())", True),
        ("ISERROR({N})", False),
    ],
)
def test_a_formula_computes(source: str, value: Any) -> None:
    assert run(source) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("NOW()", NOW),
        ("TODAY()", datetime(2026, 11, 22, tzinfo=UTC)),
        ("CREATED_TIME()", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("LAST_MODIFIED_TIME()", datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)),
        ("LAST_MODIFIED_TIME({Name})", datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)),
        ("LAST_MODIFIED_TIME({N}, {Zero})", None),
        ("IS_AFTER({Due}, NOW())", True),
        ("IS_BEFORE({Due}, '2026-11-22T12:10:00.001Z')", True),
        ("IS_AFTER({Empty}, NOW())", False),
        ("IS_SAME({Due}, {Day}, 'day')", True),
        ("IS_SAME({Due}, {Day})", False),
        ("{Due} <= DATEADD(NOW(), 10, 'minutes')", True),
        ("{Due} < DATEADD(NOW(), 10, 'minutes')", False),
        ("DATEADD('2024-01-31', 1, 'month')", datetime(2024, 2, 29, tzinfo=UTC)),
        ("DATEADD('2024-02-29', 1, 'years')", datetime(2025, 2, 28, tzinfo=UTC)),
        ("DATETIME_DIFF({Due}, NOW(), 'minutes')", 10),
        ("DATETIME_DIFF(NOW(), {Due})", -600),
        ("DATETIME_DIFF('2025-01-30', '2024-01-31', 'months')", 11),
        ("DATETIME_PARSE('2026-11-22T14:00:00+02:00')", NOW),
        ("DATETIME_PARSE('22.11.2026 12:00', 'DD.MM.YYYY HH:mm')", NOW),
        ("DATETIME_FORMAT({Due}, 'YYYY-MM-DD')", "2026-11-22"),
        ("{Due} & ''", "2026-11-22T12:10:00.000Z"),
        ("{Day} & ''", "2026-11-22"),
    ],
)
def test_a_formula_computes_with_time(source: str, value: Any) -> None:
    assert run(source) == value


@pytest.mark.parametrize(
    "source",
    ["0", "''", "FALSE()", "BLANK()", "1/0", "'a' + 1", "ERROR()", "AND(1, ERROR())", "OR(1, 'a' * 2)",
               "{Due} > 'tomorrow'", "IS_AFTER({Due}, 'tomorrow')", "DATEADD(NOW(), 1, 'blinks')",
               "DATEADD(NOW(), 9999999, 'years')"]
)  # fmt: skip
def test_a_row_is_dropped_on_errors_and_empty_results(source: str) -> None:
    assert not kept(source)


@pytest.mark.parametrize(
    "source",
    ["", "1 +", "AND(", "AND()", "NOT(1, 2)", "{Name", "'open", "Name Name", "NOSUCH(1)", "1 ? 2", ")",
               "LAST_MODIFIED_TIME(1)", "IF(1)", "(" * 5000]
)  # fmt: skip
def test_a_formula_that_cannot_be_read_is_refused(source: str) -> None:
    with pytest.raises(BadFormula):
        run(source)


def test_an_unknown_field_is_named_in_the_refusal() -> None:
    with pytest.raises(BadFormula, match="Unknown field names: nope"):
        run("{Nope} = 1")


@given(st.text())
def test_any_text_survives_quoting(value: str) -> None:
    assert run(f"{quoted(value)} = {quoted(value)}")
    assert run(f"LEN({quoted(value)})") == len(value)


numbers = st.integers(-1000, 1000)


@given(numbers, numbers, numbers)
def test_arithmetic_binds_as_in_python(a: int, b: int, c: int) -> None:
    assert run(f"{a} + {b} * {c} - {a}") == a + b * c - a
    assert run(f"({a} < {b}) = ({b} > {a})")
    quotient = run(f"{a} / {b}")
    assert quotient == a / b if b else math.isnan(quotient)


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_logic_agrees_with_python(values: list[bool]) -> None:
    words = ", ".join("TRUE()" if value else "FALSE()" for value in values)
    assert run(f"AND({words})") == all(values)
    assert run(f"OR({words})") == any(values)
    assert run(f"XOR({words})") == (sum(values) % 2 == 1)


moments = st.floats(946_684_800, 2_208_988_800).map(lambda epoch_s: datetime.fromtimestamp(epoch_s, UTC))


@given(moments, st.integers(-400, 400), st.sampled_from(["seconds", "minutes", "hours", "days", "weeks"]))
def test_the_difference_undoes_the_addition(moment: datetime, count: int, unit: str) -> None:
    later = dateadd(moment, count, unit)
    assert later is not None
    assert datetime_diff(later, moment, unit) == count


@given(moments, st.integers(0, 400))
def test_whole_months_never_reach_beyond_the_later_moment(moment: datetime, days: int) -> None:
    later = moment + timedelta(days=days)
    months = datetime_diff(later, moment, "months")
    assert dateadd(moment, months, "months") <= later < dateadd(moment, months + 1, "months")


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused(source: str) -> None:
    with contextlib.suppress(BadFormula, FormulaError):
        run(source)
