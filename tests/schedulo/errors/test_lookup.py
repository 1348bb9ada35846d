"""How an answer is looked up, whatever the service."""

from __future__ import annotations

import pytest

from schedulo.errors import KINDS, Diagnosis, Kind, Phase, Rule, Strategy, diagnose
from schedulo.errors import airtable as airtable_errors
from schedulo.errors.meta import META_RULES
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.errors.x import X_RULES

RULES = (
    Rule(Kind.BUG, "a page", status=400, refusal=True),
    Rule(Kind.CONTENT_REJECTED, "a page", status=400, code="7", refusal=True),
    Rule(Kind.MEDIA_REJECTED, "a page", code="7", text="video", refusal=True),
    Rule(Kind.RATE_LIMITED, "a page", status=429, refusal=True),
    Rule(Kind.PLATFORM_DOWN, "a page", status=503),
)
TABLES = (*META_RULES, *X_RULES, *TIKTOK_RULES, *airtable_errors.RULES)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("", "", Kind.BUG),
        ("7", "", Kind.CONTENT_REJECTED),
        ("7", "A bad Video", Kind.MEDIA_REJECTED),
        ("8", "a video", Kind.BUG),
    ],
)
def test_the_most_specific_rule_wins(code: str, text: str, kind: Kind) -> None:
    assert diagnose(RULES, Phase.ARM, 400, code, text=text).kind is kind


@pytest.mark.parametrize("phase", [Phase.ARM, Phase.READ])
def test_only_the_answer_to_a_commit_proves_anything(phase: Phase) -> None:
    assert diagnose(RULES, Phase.COMMIT, 400) == Diagnosis(Kind.BUG, refusal=True)
    assert diagnose(RULES, phase, 400) == Diagnosis(Kind.BUG, refusal=False)


@pytest.mark.parametrize(("status", "kind"), [(418, Kind.NOT_UNDERSTOOD), (520, Kind.PLATFORM_DOWN)])
def test_an_answer_that_no_rule_knows_is_tried_again_before_a_commit_and_unknown_at_one(
    status: int, kind: Kind
) -> None:
    assert diagnose(RULES, Phase.ARM, status).kind is kind
    assert KINDS[kind].strategy is Strategy.RETRY
    assert diagnose(RULES, Phase.COMMIT, status) == Diagnosis(Kind.OUTCOME_UNKNOWN, refusal=False)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Kind.NOT_UNDERSTOOD), (429, Kind.RATE_LIMITED), (503, Kind.PLATFORM_DOWN)],
)
def test_a_status_without_a_word_of_the_service_stops_no_post_and_proves_nothing(
    status: int, kind: Kind
) -> None:
    assert diagnose(RULES, Phase.ARM, status, spoken=False).kind is kind
    assert diagnose(RULES, Phase.COMMIT, status, spoken=False) == Diagnosis(Kind.OUTCOME_UNKNOWN, False)


@pytest.mark.parametrize(
    "rules",
    [META_RULES, X_RULES, TIKTOK_RULES, airtable_errors.RULES],
    ids=["meta", "x", "tiktok", "airtable"],
)
def test_no_two_rules_of_a_service_have_the_same_key(rules: tuple[Rule, ...]) -> None:
    keys = [(rule.status, rule.code, rule.subcode, rule.text, rule.phase) for rule in rules]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "rule", TABLES, ids=lambda rule: f"{rule.status}-{rule.code}-{rule.subcode}-{rule.text}"
)
def test_every_rule_names_its_source_and_something_to_match(rule: Rule) -> None:
    assert rule.source
    assert rule.code or rule.subcode or rule.text or rule.status
    assert rule.text == rule.text.lower()


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_plan_with_limits_and_a_sentence(kind: Kind) -> None:
    info = KINDS[kind]
    assert "{platform}" in info.sentence
    if info.strategy in (Strategy.RETRY, Strategy.REARM):
        assert info.max_attempts > 1
        assert info.max_elapsed_s > 0
        assert info.base_wait_s > 0
    if info.strategy is Strategy.WAIT:
        assert (info.max_attempts, info.max_elapsed_s) == (0, 0), "the platform's own limit bounds it"
