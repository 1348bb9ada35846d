"""Airtable formulas: turns the text of `filterByFormula` into a function of one record.

A formula is compiled once per request into nested closures; each takes a `Row`. What a field holds, and in
which table a field name is looked up, is left to the caller (`Scope`, `Row`); what functions compute, to
`functions`. Source: Airtable support, "Formula writing and common errors".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sandbox.airtable.functions import BINARY, FUNCTIONS, FormulaError, Value, number, truth


class BadFormula(ValueError):
    """The formula cannot be read; the text is the sentence that Airtable adds to its refusal."""


def unreadable() -> BadFormula:
    return BadFormula("Invalid formula. Please check your formula text.")


class Row(Protocol):
    """One record as formulas see it."""

    record_id: str
    created_ms: int

    def value(self, field_id: str) -> Value: ...

    def modified_ms(self, field_ids: Sequence[str]) -> int | None:
        """When the last of these fields (of all, if none is named) changed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a formula may refer to. `fields` maps names and ids to field ids."""

    fields: Mapping[str, str]
    now: datetime


Compiled = Callable[[Row], Value]
COMPUTING_FAILS = (FormulaError, OverflowError, ValueError)

# ------------------------------------------------------------------ text to tokens

TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?|\.\d+)
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | '(?P<single>(?:[^'\\]|\\.)*)'
    | \{(?P<field>(?:[^}\\]|\\.)*)\}
    | (?P<word>[^\W\d]\w*)
    | (?P<sign>!=|<=|>=|[=<>+\-*/&(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None:
            raise unreadable()
        kind = match.lastgroup or ""
        raw = match.group(kind)
        if kind in ("double", "single", "field"):
            raw = re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), raw, flags=re.DOTALL)
        found.append(Token("string" if kind in ("double", "single") else kind, raw))
        at = match.end()
    return found


# ------------------------------------------------------------------ tokens to closures


def compile_formula(source: str, scope: Scope) -> Compiled:
    """The formula as a function of a row; raises BadFormula."""
    return _Compiler(source, scope).whole()


def keeps(formula: Compiled, row: Row) -> bool:
    """Whether `filterByFormula` keeps this row."""
    try:
        return truth(formula(row))
    except COMPUTING_FAILS:
        return False


class _Compiler:
    """Recursive descent; every method returns the closure of what it read."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.scope = scope
        self.tokens = tokens(source)
        self.at = 0

    def whole(self) -> Compiled:
        try:
            formula = self.expression()
        except RecursionError:
            raise unreadable() from None
        if self.at < len(self.tokens):
            raise unreadable()
        return formula

    def next_sign(self) -> str | None:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        return token.text if token is not None and token.kind == "sign" else None

    def take(self, sign: str) -> bool:
        if self.next_sign() != sign:
            return False
        self.at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise unreadable()

    def expression(self, level: int = 0) -> Compiled:
        if level == len(BINARY):
            return self.unary()
        left = self.expression(level + 1)
        while (sign := self.next_sign()) in BINARY[level]:
            self.at += 1
            left = _binary(BINARY[level][sign], left, self.expression(level + 1))
        return left

    def unary(self) -> Compiled:
        if self.take("-"):
            inner = self.unary()
            return lambda row: -number(inner(row))
        if self.take("+"):
            return self.unary()
        return self.atom()

    def atom(self) -> Compiled:
        if self.take("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self.at >= len(self.tokens):
            raise unreadable()
        token = self.tokens[self.at]
        self.at += 1
        match token.kind:
            case "number":
                return _constant(float(token.text) if "." in token.text else int(token.text))
            case "string":
                return _constant(token.text)
            case "field":
                return self.field(token.text)
            case "word" if self.take("("):
                return self.call(token.text.upper())
            case "word":
                return self.field(token.text)
        raise unreadable()

    def field_id(self, name: str) -> str:
        if name not in self.scope.fields:
            raise BadFormula(f"Unknown field names: {name.lower()}")
        return self.scope.fields[name]

    def field(self, name: str) -> Compiled:
        field_id = self.field_id(name)
        return lambda row: row.value(field_id)

    def field_names(self) -> list[str]:
        """The arguments of LAST_MODIFIED_TIME: fields alone, by braces or by a bare name."""
        names: list[str] = []
        while not self.take(")"):
            if names:
                self.expect(",")
            if self.at >= len(self.tokens) or self.tokens[self.at].kind not in ("field", "word"):
                raise unreadable()
            names.append(self.field_id(self.tokens[self.at].text))
            self.at += 1
        return names

    def call(self, name: str) -> Compiled:
        if name == "LAST_MODIFIED_TIME":
            field_ids = tuple(self.field_names())
            return lambda row: _moment(row.modified_ms(field_ids))
        arguments: list[Compiled] = []
        if not self.take(")"):
            arguments.append(self.expression())
            while self.take(","):
                arguments.append(self.expression())
            self.expect(")")
        return self.function(name, arguments)

    def function(self, name: str, arguments: list[Compiled]) -> Compiled:
        now = self.scope.now
        match name, arguments:
            case "NOW", []:
                return _constant(now)
            case "TODAY", []:
                return _constant(now.replace(hour=0, minute=0, second=0, microsecond=0))
            case "RECORD_ID", []:
                return lambda row: row.record_id
            case "CREATED_TIME", []:
                return lambda row: _moment(row.created_ms)
            case "IF", [test, then]:
                return lambda row: then(row) if truth(test(row)) else None
            case "IF", [test, then, otherwise]:
                return lambda row: then(row) if truth(test(row)) else otherwise(row)
            case "ISERROR", [inner]:
                return lambda row: _fails(inner, row)
        if name not in FUNCTIONS:
            raise unreadable()
        fewest, most, function = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            raise unreadable()
        if not arguments and name != "ERROR":
            return _constant(function())
        # Every argument is computed, also of AND and OR: an error in any of them is the result.
        return lambda row: function(*[argument(row) for argument in arguments])


def _binary(function: Callable[[Value, Value], Value], left: Compiled, right: Compiled) -> Compiled:
    return lambda row: function(left(row), right(row))


def _constant(value: Value) -> Compiled:
    return lambda _: value


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)


def _fails(formula: Compiled, row: Row) -> bool:
    try:
        value = formula(row)
    except COMPUTING_FAILS:
        return True
    return isinstance(value, float) and math.isnan(value)
