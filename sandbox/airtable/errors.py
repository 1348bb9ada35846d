"""Airtable's refusals: status, error type and sentence. Only INVALID_REQUEST_UNKNOWN is documented among the
422s; the other types are those that clients saw. Source: Airtable Web API, "Errors"."""

from __future__ import annotations

from sandbox.core import Refused, Reply

MODEL_NOT_FOUND = (
    "Invalid permissions, or the requested model was not found. Check that both your user and your token "
    "have the required permissions, and that the model names and/or ids are correct."
)


def body(kind: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"type": kind, "message": message}}


def refused(status: int, kind: str, message: str) -> Refused:
    return Refused(Reply(status, body(kind, message)))


def forbidden() -> Refused:
    return refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", MODEL_NOT_FOUND)


def invalid_request(why: str) -> Refused:
    return refused(422, "INVALID_REQUEST_UNKNOWN", f"Invalid request: {why}. Check your request data.")


def unknown_field(name: str) -> Refused:
    return refused(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')


def bad_value(field_name: str) -> Refused:
    return refused(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{field_name}" cannot accept the provided value')


def computed(field_name: str) -> Refused:
    return refused(
        422,
        "INVALID_VALUE_FOR_COLUMN",
        f'Field "{field_name}" cannot accept a value because the field is computed',
    )


def unknown_option(option: str) -> Refused:
    return refused(
        422,
        "INVALID_MULTIPLE_CHOICE_OPTIONS",
        f'Insufficient permissions to create new select option ""{option}""',
    )


def no_such_row(record_id: str) -> Refused:
    return refused(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist in this table")
