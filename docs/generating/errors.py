"""What each service's answers mean, and what is done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generating.markdown import page, table
from schedulo.errors import KINDS, KindInfo, Rule, Scope, Strategy
from schedulo.errors import airtable as airtable_errors
from schedulo.errors.meta import META_RULES
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.errors.x import X_RULES


def errors_page() -> str:
    parts = [
        "Every answer that is not a success becomes a *kind*. The kind decides what is done, how often "
        "and for how long, what people read, and who must act. An attempt is one that failed; waiting for "
        "a limit is none. Pauses double each time, less up to half at random. Whatever the kind says, a "
        "post whose own time is over is missed.",
        "*Holds*: an error that says something about the account, or about our app on the platform, holds "
        "all its posts once instead of failing each; they go out when the hold ends ([when a post "
        "fails](../how-to/when-a-post-fails.md)).",
        "## Kinds",
    ]
    for plan in _PLANS:
        rows = [
            (f"`{kind}`", *plan.limits(info), info.sentence.format(platform="the platform"))
            for kind, info in KINDS.items()
            if info.strategy is plan.strategy
        ]
        parts += [f"### {plan.name}", plan.text, table(("kind", *plan.head, "what people read"), rows)]
    parts += [
        "## What each service's answers mean",
        "The most specific row that fits wins: by subcode, then text, code, phase, status. Empty columns "
        "fit anything. Phases: *commit* is the request that publishes, *arm* is all before it, *read* is "
        "asking afterwards. TikTok's upload server has no codes and is `upload` here; the subcode "
        "`failed` marks its reasons of a post that FAILED. X's subcode is the upload call.",
        "*Proof*: as the answer to the commit, it proves that nothing was published, and the kind "
        "decides; as an answer that is read, that nothing will be. Without it, and for every answer to "
        "the commit that no row knows, the outcome is unknown: the post is looked up before anything is "
        "sent again.",
        "An answer in which the service says nothing itself (a gateway's page, an empty or broken text, "
        "JSON of another shape) proves nothing and stops no post: before the commit it is tried again, by "
        "its status as `platform_down`, `rate_limited` or `not_understood`. A 2xx to the commit means "
        "that the post was taken, whatever the text.",
        "Airtable's errors touch what is read and reported there. Posts that are planned go out meanwhile.",
        "Every row is met by a test in which the sandbox gives that answer: to a real publisher "
        "(`tests/schedulo/publishing/test_every_code.py`), or to the client of Airtable "
        "(`tests/schedulo/airtable/test_every_code.py`).",
    ]
    for name, rules in _TABLES.items():
        parts += [f"### {name}"]
        for source in dict.fromkeys(rule.source for rule in rules):
            parts += [f"**{source}**", _table([rule for rule in rules if rule.source == source])]
    return page("Errors", "include/schedulo/errors", *parts)


@dataclass(frozen=True, slots=True)
class Plan:
    """A strategy in words, and which limits of its kinds are worth a column."""

    strategy: Strategy
    name: str
    text: str
    head: tuple[str, ...]
    limits: Callable[[KindInfo], tuple[str, ...]]


def _attempts(info: KindInfo) -> tuple[str, ...]:
    return (
        str(info.max_attempts),
        f"{info.max_elapsed_s / 60:g} min",
        f"{info.base_wait_s:g} s",
        info.actor,
    )


_TRIED = ("attempts", "at most for", "first pause", "who acts in the end")
_PLANS = (
    Plan(
        Strategy.RETRY,
        "Tried again",
        "After a growing pause, until it works, or attempts or time are used up and the post fails.",
        _TRIED,
        _attempts,
    ),
    Plan(
        Strategy.REARM,
        "Prepared anew",
        "What was prepared is dropped and made again; within the same limits.",
        _TRIED,
        _attempts,
    ),
    Plan(
        Strategy.WAIT,
        "Waited for",
        "Until the end of the limit that the platform names; the wait is the one where it names none. No "
        "limit of attempts: only the post's own window ends it.",
        ("wait", "holds"),
        lambda info: (f"{info.base_wait_s:g} s", _held(info.scope)),
    ),
    Plan(
        Strategy.RECONCILE,
        "Looked up",
        "Nothing is sent before it is known what became of it ([why once](../explanation/why-once.md)).",
        (),
        lambda info: (),
    ),
    Plan(
        Strategy.STOP,
        "Left to a person",
        "Repeating does not mend it. The post fails, or waits with the others that the hold is about.",
        ("holds", "who acts"),
        lambda info: (_held(info.scope), info.actor),
    ),
)
assert {plan.strategy for plan in _PLANS} == set(Strategy)


def _held(scope: Scope) -> str:
    return "" if scope is Scope.DELIVERY else f"the {scope}"


_TABLES: Mapping[str, Sequence[Rule]] = {
    "Instagram and Facebook": META_RULES,
    "X": X_RULES,
    "TikTok": TIKTOK_RULES,
    "Airtable": airtable_errors.RULES,
}
_RULE_HEAD = ("status", "code", "subcode", "text", "phase", "kind", "holds", "proof")


def _table(rules: Sequence[Rule]) -> str:
    """One row for all rules that differ in one of subcode, code and status; columns that say something."""
    rows: list[tuple[Any, ...]] = [
        (
            *((str(value),) if value else () for value in (rule.status, rule.code, rule.subcode)),
            rule.text,
            rule.phase or "",
            f"`{rule.kind}`",
            "" if rule in airtable_errors.RULES else _held(rule.scope or KINDS[rule.kind].scope),
            "yes" if rule.refusal else "",
        )
        for rule in rules
    ]
    for column in (2, 1, 0):
        groups: dict[tuple[Any, ...], list[str]] = {}
        for row in rows:
            key = (*row[:column], bool(row[column]), *row[column + 1 :])  # none means any: not to be merged
            groups.setdefault(key, []).extend(row[column])
        rows = [(*key[:column], tuple(names), *key[column + 1 :]) for key, names in groups.items()]
    shown = [(*(_listed(names) for names in row[:3]), *row[3:]) for row in rows]
    kept = [column for column in range(len(_RULE_HEAD)) if any(row[column] for row in shown)]
    return table([_RULE_HEAD[column] for column in kept], [[row[column] for column in kept] for row in shown])


def _listed(names: Sequence[str]) -> str:
    """Names in a row; numbers that follow each other as a range."""
    ranges: list[list[str]] = []
    for name in names:
        last = ranges[-1][-1] if ranges else ""
        if name.isdecimal() and last.isdecimal() and int(name) == int(last) + 1:
            ranges[-1].append(name)
        else:
            ranges.append([name])
    parts = [
        [f"{found[0]} to {found[-1]}"] if len(found) > 2 else found
        for found in ranges  # two are no range
    ]
    return ", ".join(itertools.chain.from_iterable(parts))
