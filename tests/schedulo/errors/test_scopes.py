"""What an error is about: this post, the account, or our app on the whole platform."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schedulo.errors import KINDS, Kind, Phase, PlatformError, Rule, Scope, Strategy, diagnose
from schedulo.errors.meta import META_RULES
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.errors.x import X_RULES


def test_what_is_about_more_than_a_post_waits_for_its_end_or_for_a_person() -> None:
    wide = {kind: info for kind, info in KINDS.items() if info.scope is not Scope.DELIVERY}
    assert {info.strategy for info in wide.values()} == {Strategy.WAIT, Strategy.STOP}
    assert not {Kind.CONTENT_REJECTED, Kind.MEDIA_REJECTED, Kind.BUG, Kind.PLATFORM_DOWN} & set(wide)


@pytest.mark.parametrize(
    ("rules", "status", "code", "subcode", "text", "scope"),
    [
        (X_RULES, 402, "credits-depleted", "", "", Scope.PLATFORM),
        (X_RULES, 403, "client-forbidden", "", "", Scope.PLATFORM),
        (X_RULES, 403, "user-suspended", "", "", Scope.ACCOUNT),
        (X_RULES, 403, "", "", "Forbidden", Scope.DELIVERY),
        (X_RULES, 429, "", "", "Too Many Requests", Scope.ACCOUNT),
        (X_RULES, 429, "usage-capped", "", "", Scope.PLATFORM),
        (META_RULES, 400, "4", "", "", Scope.PLATFORM),
        (META_RULES, 400, "4", "2207051", "", Scope.ACCOUNT),
        (META_RULES, 400, "32", "", "", Scope.ACCOUNT),
        (META_RULES, 400, "80002", "", "", Scope.ACCOUNT),
        (META_RULES, 400, "3", "", "", Scope.PLATFORM),
        (META_RULES, 400, "110", "2207013", "", Scope.ACCOUNT),
        (META_RULES, 400, "190", "460", "", Scope.ACCOUNT),
        (TIKTOK_RULES, 403, "spam_risk_user_banned_from_posting", "", "", Scope.ACCOUNT),
        (TIKTOK_RULES, 403, "spam_risk_too_many_pending_share", "", "", Scope.DELIVERY),
        (TIKTOK_RULES, 403, "url_ownership_unverified", "", "", Scope.PLATFORM),
    ],
)
def test_the_platforms_answer_says_what_it_is_about(
    rules: Sequence[Rule], status: int, code: str, subcode: str, text: str, scope: Scope
) -> None:
    diagnosis = diagnose(rules, Phase.ARM, status, code, subcode, text)
    assert PlatformError("x", diagnosis).scope is scope
