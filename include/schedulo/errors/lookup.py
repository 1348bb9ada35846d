"""Looks an answer up in the tables: the most specific rule wins, and silence is never a refusal.

An answer that no rule knows is retried carefully before a commit, and at a commit it is an unknown outcome.
Only the answer to a commit can prove that nothing was published: a read that fails proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from schedulo.errors.kinds import KINDS, Diagnosis, Kind, Scope, Strategy


class Phase(StrEnum):
    ARM = "arm"
    COMMIT = "commit"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a service's table. Empty columns match anything."""

    kind: Kind
    source: str
    """The document that says so."""
    status: int | None = None
    code: str = ""
    subcode: str = ""
    text: str = ""
    """Part of the service's message, lower case."""
    phase: Phase | None = None
    refusal: bool = False
    """True: this answer at a commit proves that nothing was published. Of phase READ: it tells of a handle
    that is dead, so that nothing of it is public and nothing will be."""
    scope: Scope | None = None
    """What it is about, where that is another thing than its kind says."""

    def weight(self) -> tuple[bool, bool, bool, bool, bool]:
        return (
            bool(self.subcode),
            bool(self.text),
            bool(self.code),
            self.phase is not None,
            self.status is not None,
        )

    def matches(self, status: int, code: str, subcode: str, text: str, phase: Phase) -> bool:
        return (
            self.status in (None, status)
            and self.code in ("", code)
            and self.subcode in ("", subcode)
            and (not self.text or self.text in text)
            and self.phase in (None, phase)
        )


def diagnose(
    rules: Sequence[Rule],
    phase: Phase,
    status: int,
    code: str = "",
    subcode: str = "",
    text: str = "",
    *,
    spoken: bool = True,
) -> Diagnosis:
    """What an answer means in `phase`, by the most specific of `rules`.

    `spoken`: the body holds words of the service itself. Where it does not (a gateway's page, nothing, half a
    text), the status alone proves nothing at a commit, and before one it stops no post at once.
    """
    text = text.lower()
    matching = [rule for rule in rules if rule.matches(status, code, subcode, text, phase)]
    rule = max(matching, key=Rule.weight, default=None)
    if phase is Phase.COMMIT:
        if rule is None or not rule.refusal or not spoken:
            return Diagnosis(Kind.OUTCOME_UNKNOWN, refusal=False)
        return Diagnosis(rule.kind, True, rule.scope)
    if rule is None:
        kind = Kind.PLATFORM_DOWN if status >= 500 else Kind.NOT_UNDERSTOOD
        return Diagnosis(kind, refusal=False)
    if not spoken and KINDS[rule.kind].strategy is Strategy.STOP:
        return Diagnosis(Kind.NOT_UNDERSTOOD, refusal=False)
    return Diagnosis(rule.kind, refusal=False, scope=rule.scope)
