"""docker-compose.yaml is read as Docker Compose reads it."""

from __future__ import annotations

import pytest

from sandbox.compose import reading


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("${GIVEN}", "here"),
        ("${MISSING}", ""),
        ("${MISSING:-8}", "8"),
        ("${GIVEN:-8}", "here"),
        ("${GIVEN:?must be there}", "here"),
        ("${MISSING:-${GIVEN:?must be there}/media}", "here/media"),
        ("$$(cat $$FILE) $${GIVEN}", "$(cat $FILE) ${GIVEN}"),
    ],
)
def test_variables_are_replaced(text: str, read: str) -> None:
    assert reading.resolved(text, {"GIVEN": "here"}) == read


def test_a_variable_that_must_be_given_is_named() -> None:
    with pytest.raises(reading.Missing, match="ALSO"):
        reading.resolved("${GIVEN} ${ALSO:?must be there}", {"GIVEN": "here"})


def test_a_name_without_a_value_is_passed_on_only_where_env_has_it() -> None:
    values = reading.filled_in()
    assert "SCHEDULO_AIRTABLE_TIMEZONE" not in reading.environment("worker", values)
    values["SCHEDULO_AIRTABLE_TIMEZONE"] = "Europe/Berlin"
    assert reading.environment("worker", values)["SCHEDULO_AIRTABLE_TIMEZONE"] == "Europe/Berlin"


def test_ten_seconds_to_stop_are_given_where_nothing_is_said() -> None:
    assert (reading.grace_s("scheduler"), reading.grace_s("triggerer-1")) == (10, 90)
