from __future__ import annotations

from typing import Any

import pytest

from schedulo.words import storable, word


@pytest.mark.parametrize(("value", "found"), [("id", "id"), (7, "7"), (0, "0"), ("", "")])
def test_texts_and_numbers_are_words(value: Any, found: str) -> None:
    assert word(value) == found


@pytest.mark.parametrize("value", [None, True, 1.5, [], ["id"], {}, {"id": 7}])
def test_nothing_else_is_a_word(value: Any) -> None:
    assert word(value) == ""


def test_what_databases_refuse_is_left_out() -> None:
    assert storable("half \ud83d, nul \x00.") == "half ?, nul ."
    assert word("\x00id") == "id"
