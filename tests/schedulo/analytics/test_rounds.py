"""What becomes of an account that cannot be read: again or not, when, and who is told."""

from __future__ import annotations

import pytest

from schedulo.analytics.rounds import failure_of
from schedulo.errors import Actor, Diagnosis, Kind, PlatformError


def error(kind: Kind, **more: object) -> PlatformError:
    return PlatformError("instagram", Diagnosis(kind, refusal=True), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trouble", "again", "wait_s", "actor"),
    [
        (error(Kind.RATE_LIMITED, wait_s=130), True, 130, Actor.NOBODY),
        (error(Kind.RATE_LIMITED), True, 900, Actor.NOBODY),
        (error(Kind.PLATFORM_DOWN, status=503), True, None, Actor.OPERATOR),
        (error(Kind.NETWORK), True, None, Actor.OPERATOR),
        (error(Kind.RECONNECT), False, None, Actor.OWNER),
        (error(Kind.PERMISSION), False, None, Actor.OWNER),
        (TimeoutError(), True, None, Actor.OPERATOR),
        (KeyError("data"), True, None, Actor.OPERATOR),
    ],
)
def test_an_error_says_whether_asking_again_may_help(
    trouble: Exception, again: bool, wait_s: float | None, actor: Actor
) -> None:
    failure = failure_of(trouble)
    assert (failure.again, failure.wait_s, failure.actor) == (again, wait_s, actor)


def test_a_failure_is_told_without_a_word_of_posts_that_wait() -> None:
    refused = error(Kind.RATE_LIMITED, status=429, code="4", message="Application request limit reached")
    assert failure_of(refused).sentence == (
        "instagram could not be read: rate limited (429, 4, Application request limit reached)"
    )
