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
WORDS = {
    "duplicate": DUPLICATE,
    "not-permitted": NOT_PERMITTED,
    "video-too-long": "This user is not allowed to post a video longer than 20 minutes.",
    "feature": "Your account is not permitted to access this feature.",
    "invalid-url": "The Tweet contains an invalid URL.",
    "cashtags": "Posts may have one cashtag at most.",
    "mentions": "You are not allowed to create a Tweet with mentions in your package.",
    "locked": LOCKED,
}
"""403s that only their text tells apart, by the word that an order names them with."""
RESOURCE = ("not-authorized-for-resource", "resource-unavailable", "resource-not-found")
FIELD = ("not-authorized-for-field", "field-unauthorized", "field-hydration-failure")
"""Problem types with a member of their own."""


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


def field_not_authorized(field: str, resource_id: str, kind: str = "tweet") -> dict[str, Any]:
    """Beside `data`: a metric that this caller may not read."""
    about = f"the {'Tweet' if kind == 'tweet' else 'Media'} with id : [{resource_id}]"
    return {
        "resource_id": resource_id,
        "resource_type": kind,
        "parameter": field,
        "field": field,
        "value": resource_id,
        "section": "data" if kind == "tweet" else "includes",
        "title": "Field Authorization Error",
        "detail": f"Sorry, you are not authorized to access '{field}' on {about}.",
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
        return old(429, 88, "Rate limit exceeded")
    return plain(429)


def problem(status: int, kind: str) -> Reply:
    """The body with the problem type `kind`, by the API's description."""
    title = kind.replace("-", " ").title()
    more: dict[str, Any] = {"resource_type": "tweet"} if kind in RESOURCE else {}
    more |= {"field": "non_public_metrics"} if kind in FIELD else {}
    body = {"title": title, "detail": f"{title}.", "type": PROBLEMS + kind, "status": status}
    return Reply(status, body | more)


def usage_capped() -> Reply:
    """The month's posts of the plan are used up (xdk issue 25)."""
    return Reply(
        429,
        {
            "title": "UsageCapExceeded",
            "detail": "Usage cap exceeded: Monthly product cap",
            "period": "Monthly",
            "scope": "Product",
            "type": PROBLEMS + "usage-capped",
        },
    )


def old(status: int, code: int, message: str) -> Reply:
    """The body of API v1.1."""
    return Reply(status, {"errors": [{"code": code, "message": message}]})


def bad_gateway() -> Reply:
    """What stands before the API answers in HTML."""
    return Reply(502, "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>")
