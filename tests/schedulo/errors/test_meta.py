"""Which answer of Meta's means what, before a commit and at one."""

from __future__ import annotations

import pytest

from schedulo.errors import Diagnosis, Kind, Phase, diagnose
from schedulo.errors.meta import META_RULES


def diagnosed(phase: Phase, said: str, status: int = 400, text: str = "") -> Diagnosis:
    code, _, subcode = said.partition("/")
    return diagnose(META_RULES, phase, status, code, subcode, text)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("1", 500),
        ("2", 500),
        ("-1", 400),
        ("-1/2207001", 400),
        ("4/2207051", 403),
        ("10", 403),
        ("200", 403),
        ("24/2207008", 400),
        ("25/2207050", 400),
        ("368", 400),
        ("368/1390008", 400),
        ("", 503),
        ("", 401),
        ("31337", 400),
    ],
)
def test_at_a_commit_what_may_have_happened_all_the_same_is_unknown(said: str, status: int) -> None:
    assert diagnosed(Phase.COMMIT, said, status) == Diagnosis(Kind.OUTCOME_UNKNOWN, refusal=False)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("9007/2207027", Kind.STILL_PROCESSING),
        ("9/2207042", Kind.QUOTA_EXHAUSTED),
        ("24/2207006", Kind.HANDLE_EXPIRED),
        ("100", Kind.BUG),
        ("100/33", Kind.HANDLE_EXPIRED),
        ("100/2207023", Kind.BUG),
        ("190", Kind.TOKEN_EXPIRED),
        ("190/463", Kind.TOKEN_EXPIRED),
        ("190/460", Kind.RECONNECT),
        ("190/492", Kind.RECONNECT),
        ("102", Kind.TOKEN_EXPIRED),
        ("36000/2207004", Kind.MEDIA_REJECTED),
        ("36003/2207009", Kind.MEDIA_REJECTED),
        ("36004/2207010", Kind.CONTENT_REJECTED),
        ("506", Kind.DUPLICATE),
        ("100/1366051", Kind.DUPLICATE),
        ("1609005", Kind.CONTENT_REJECTED),
        ("4", Kind.RATE_LIMITED),
        ("32", Kind.RATE_LIMITED),
        ("613/1996", Kind.RATE_LIMITED),
        ("80001", Kind.RATE_LIMITED),
        ("80002", Kind.RATE_LIMITED),
        ("100/1363128", Kind.MEDIA_REJECTED),
    ],
)
def test_a_listed_refusal_proves_that_nothing_went_out(said: str, kind: Kind) -> None:
    found = diagnosed(Phase.COMMIT, said)
    assert (found.kind, found.refusal) == (kind, True)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("1", Kind.PLATFORM_DOWN),
        ("2", Kind.PLATFORM_DOWN),
        ("3", Kind.CONFIGURATION),
        ("10", Kind.PERMISSION),
        ("200", Kind.PERMISSION),
        ("283", Kind.PERMISSION),
        ("4/2207051", Kind.ACCOUNT_RESTRICTED),
        ("25/2207050", Kind.ACCOUNT_RESTRICTED),
        ("368", Kind.ACCOUNT_RESTRICTED),
        ("368/1390008", Kind.RATE_LIMITED),
        ("-2/2207003", Kind.MEDIA_UNREACHABLE),
        ("9004/2207052", Kind.MEDIA_UNREACHABLE),
        ("100/2207052", Kind.MEDIA_UNREACHABLE),
        ("-2/2207020", Kind.HANDLE_EXPIRED),
        ("-1/2207032", Kind.HANDLE_EXPIRED),
        ("-1/2207053", Kind.HANDLE_EXPIRED),
        ("24/2207008", Kind.HANDLE_EXPIRED),
        ("1/2207057", Kind.CONTENT_REJECTED),
        ("100/2207028", Kind.CONTENT_REJECTED),
        ("352/2207026", Kind.MEDIA_REJECTED),
        ("100/1366046", Kind.MEDIA_REJECTED),
        ("368/1404102", Kind.CONTENT_REJECTED),
        ("368/1404078", Kind.ACCOUNT_RESTRICTED),
        ("389", Kind.MEDIA_UNREACHABLE),
        ("ProcessingFailedError", Kind.HANDLE_EXPIRED),
        ("2500", Kind.BUG),
    ],
)
def test_before_a_commit_every_listed_answer_has_its_kind(said: str, kind: Kind) -> None:
    assert diagnosed(Phase.ARM, said).kind is kind


@pytest.mark.parametrize("number", ["2207001", "2207026", "2207052", "2207076", "2207085"])
def test_a_container_tells_a_subcode_without_its_code(number: str) -> None:
    alone = diagnosed(Phase.READ, f"ERROR/{number}", status=200)
    assert alone == diagnosed(Phase.READ, f"/{number}", status=200)


@pytest.mark.parametrize("said", ["ERROR/2207999", "ERROR", "EXPIRED"])
def test_a_container_that_failed_without_a_known_number_is_made_anew(said: str) -> None:
    assert diagnosed(Phase.READ, said, status=200).kind is Kind.HANDLE_EXPIRED


def test_a_wrong_app_secret_proof_is_a_matter_of_configuration() -> None:
    text = "Invalid appsecret_proof provided in the API argument"
    assert diagnosed(Phase.ARM, "100", text=text).kind is Kind.CONFIGURATION


def test_an_invalid_location_is_the_authors() -> None:
    text = "INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID"
    assert diagnosed(Phase.ARM, "100", text=text).kind is Kind.CONTENT_REJECTED


def test_a_finish_that_was_done_before_probably_went_out() -> None:
    said = diagnosed(Phase.COMMIT, "100", text="The upload session was already finished")
    assert said.kind is Kind.DUPLICATE
