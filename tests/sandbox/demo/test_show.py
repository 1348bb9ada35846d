"""When the demo may say that all is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.demo.show import Outcome, Result

DUE = 1_800_000_000.0


def result(*received: float, trouble: str = "", refused: int = 0, follows: tuple[int, ...] = ()) -> Result:
    return Result(
        platform="x",
        account="ann",
        title="Hello",
        zone="Europe/Berlin",
        due=DUE,
        received=tuple(DUE + at for at in received),
        follows=follows,
        refused=refused,
        trouble=trouble,
        state="",
        link="",
    )


GOOD = Outcome(
    [result(0.004), result(15.1, trouble="asked to wait", refused=1)], {"The long story": "too long"}, 0
)


def test_all_is_well_when_each_arrived_once_and_the_wrong_one_is_named() -> None:
    assert GOOD.good
    assert GOOD.last_line == "published 2 of 2 · duplicates 0 · worst lateness 0.004 s"


@pytest.mark.parametrize(
    ("flaw", "last_line"),
    [
        ([result()], "published 0 of 1 · duplicates 0 · worst lateness inf s"),
        ([result(0.1, 0.2)], "published 1 of 1 · duplicates 1 · worst lateness 0.100 s"),
        ([result(0.1, follows=(1, 0))], "published 1 of 1 · duplicates 0 · worst lateness 0.100 s"),
        ([result(0.1, follows=(2,))], "published 1 of 1 · duplicates 1 · worst lateness 0.100 s"),
        ([result(-0.001)], "published 1 of 1 · duplicates 0 · worst lateness -0.001 s"),
        (
            [result(0.1), result(0.2, trouble="asked to wait")],
            "published 2 of 2 · duplicates 0 · worst lateness 0.100 s",
        ),
    ],
    ids=["lost", "twice", "without its comment", "with two comments", "early", "trouble not met"],
)
def test_all_is_not_well_when_a_post_is(flaw: list[Result], last_line: str) -> None:
    outcome = replace(GOOD, results=flaw)
    assert not outcome.good
    assert outcome.last_line == last_line


def test_all_is_not_well_when_something_arrived_that_nobody_planned() -> None:
    assert not replace(GOOD, strangers=1).good


def test_all_is_not_well_when_the_wrong_post_is_not_named() -> None:
    assert not replace(GOOD, problems={"The long story": ""}).good
