"""The contract with the app on top, held against the code. Calls against a real api-server:
tests/airflow/test_operator.py."""

from __future__ import annotations

import re

import pytest
from openapi_spec_validator import validate

from schedulo.delivery.again import Deed
from schedulo.delivery.amendments import Deed as After
from schedulo.delivery.standing import MOST
from schedulo.model import Platform, State
from schedulo.planning.requests import WORKFLOWS
from schedulo.planning.wishes import WishError
from tests.airflow.bubble import STARTS, Contract


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract()


def test_it_is_a_valid_openapi_file(contract: Contract) -> None:
    validate(contract.whole)


@pytest.mark.parametrize("name", STARTS)
def test_a_call_that_starts_something_takes_what_its_workflow_takes(contract: Contract, name: str) -> None:
    method, path, operation = contract.calls[name]
    assert (method, path) == ("POST", f"/api/v2/dags/{STARTS[name]}/dagRuns")
    media = operation["requestBody"]["content"]["application/json"]
    contract.hold_body(name, media["example"])
    workflow = WORKFLOWS[STARTS[name]]
    workflow.read(media["example"]["conf"])
    with pytest.raises(WishError) as refused:
        workflow.read({"nothing of the kind": 1})
    fields = re.search(r"there are (.*?)\. ", f"{refused.value} ")
    assert fields is not None
    assert set(media["schema"]["properties"]["conf"]["properties"]) == set(fields[1].split(", "))


def test_its_words_are_those_of_the_code(contract: Contract) -> None:
    schemas = contract.whole["components"]["schemas"]
    assert set(schemas["State"]["enum"]) == set(State)
    assert set(schemas["Platform"]["enum"]) == set(Platform)
    said = set(schemas["Answer"]["properties"]["what"]["enum"])
    # What an instance takes up itself is nobody's request; publish_now says taken and rehearsed.
    assert said == {*Deed, *After, "rehearsed"}
    [limit] = [
        item["schema"] for item in contract.calls["getDeliveries"][2]["parameters"] if item["name"] == "limit"
    ]
    assert limit["maximum"] == MOST
