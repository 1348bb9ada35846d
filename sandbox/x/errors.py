"""The bodies of X's refusals.

Source: X API documentation, "Response codes and errors" and openapi.json 2.167; the shapes that the pages
leave out are those that clients report from the wire.
"""

from __future__ import annotations

from typing import Any

from sandbox.core import Refused, Reply

PROBLEMS = "https://api.twitter.com/2/problems/"
PROBLEMS_2026 = "https://api.x.com/2/problems/"

TITLES = {
    400: "Invalid Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
NOT_PERMITTED = "You are not permitted to perform this action."
DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
LOCKED = "Your account is temporarily locked."
BAD_MEDIA = "Your media IDs are invalid."


def plain(status: int, detail: str | None = None) -> Reply:
    """The body without a problem type of its own."""
    title = TITLES.get(status, "Error")
    return Reply(status, {"title": title, "detail": detail or title, "type": "about:blank", "status": status})


def forbidden(detail: str = NOT_PERMITTED) -> Refused:
    return Refused(plain(403, detail))


def invalid(parameter: str, value: Any, message: str) -> Refused:
    """400: what was sent breaks the schema or a rule."""
    values = value if isinstance(value, list) else [value]
    return Refused(
        Reply(
            400,
            {
                "errors": [{"parameters": {parameter: [str(v) for v in values]}, "message": message}],
                "title": "Invalid Request",
                "detail": "One or more parameters to your request was invalid.",
                "type": PROBLEMS + "invalid-request",
            },
        )
    )


def not_found(kind: str, parameter: str, value: str) -> dict[str, Any]:
    """A `resource-not-found`: an element of `errors` beside `data`, or the body of a 404."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": PROBLEMS + "resource-not-found",
    }


def unsupported_authentication() -> Refused:
    return Refused(
        Reply(
            403,
            {
                "title": "Unsupported Authentication",
                "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.",
                "type": PROBLEMS + "unsupported-authentication",
                "status": 403,
            },
        )
    )


def field_not_authorized(field: str, post_id: str) -> dict[str, Any]:
    """Beside `data`: a metric that this caller may not read."""
    return {
        "resource_id": post_id,
        "resource_type": "tweet",
        "parameter": field,
        "field": field,
        "value": post_id,
        "section": "data",
        "title": "Field Authorization Error",
        "detail": f"Sorry, you are not authorized to access '{field}' on the Tweet with id : [{post_id}].",
        "type": PROBLEMS + "not-authorized-for-field",
    }


def suspended() -> Reply:
    reply = plain(403, "Your account is suspended.")
    reply.body["type"] = PROBLEMS + "user-suspended"
    return reply


def client_forbidden() -> Reply:
    """The app has no plan that allows this."""
    return Reply(
        403,
        {
            "title": "Client Forbidden",
            "detail": "This app is not enrolled in an access level that has this endpoint.",
            "client_id": "1",
            "reason": "client-not-enrolled",
            "required_enrollment": "Appropriate Level of API Access",
            "registration_url": "https://developer.x.com",
            "type": PROBLEMS + "client-forbidden",
        },
    )


def credits_depleted(shape: str) -> Reply:
    """402 as `problem` (2026) or as `legacy`."""
    if shape == "legacy":
        return Reply(
            402,
            {
                "account_id": 1,
                "title": "CreditsDepleted",
                "detail": "Your enrolled account [1] does not have any credits to fulfill this request.",
                "type": PROBLEMS + "credits",
            },
        )
    return Reply(
        402,
        {
            "detail": "credits depleted",
            "status": 402,
            "title": "Payment Required",
            "type": PROBLEMS_2026 + "credits-depleted",
        },
    )


def too_many_requests(shape: str) -> Reply:
    """429 as `title` or as `errors88`."""
    if shape == "errors88":
        return Reply(429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]})
    return plain(429)


def bad_gateway() -> Reply:
    """What stands before the API answers in HTML."""
    return Reply(502, "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>")
