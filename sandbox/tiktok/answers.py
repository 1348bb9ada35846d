"""TikTok's envelope and error codes, and the checks that every request body goes through.

Success is `error.code == "ok"`. Source: TikTok for Developers, "API v2 error handling" and the Content
Posting API references. Switch `tiktok_invalid_code`: the code of a bad parameter, `invalid_params`
(default, as seen on the wire) or `invalid_param` (as the reference prints).
"""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.core import Call, Refused, Reply, World

STATUS_OF_CODE = {
    "access_token_invalid": 401,
    "scope_not_authorized": 401,
    "scope_permission_missed": 400,
    "invalid_param": 400,
    "invalid_params": 400,
    "invalid_publish_id": 400,
    "token_not_authorized_for_specified_publish_id": 400,
    "publish_not_cancellable": 400,
    "app_version_check_failed": 400,
    "spam_risk_too_many_posts": 403,
    "spam_risk_user_banned_from_posting": 403,
    "spam_risk_too_many_pending_share": 403,
    "reached_active_user_cap": 403,
    "unaudited_client_can_only_post_to_private_accounts": 403,
    "url_ownership_unverified": 403,
    "privacy_level_option_mismatch": 403,
    "rate_limit_exceeded": 429,
    "internal_error": 500,
}
CODE_OF_STATUS = {
    400: "invalid_params",
    401: "access_token_invalid",
    403: "spam_risk_user_banned_from_posting",
    429: "rate_limit_exceeded",
}


def log_id() -> str:
    return secrets.token_hex(16).upper()


def ok(data: dict[str, Any]) -> Reply:
    return Reply(200, {"data": data, "error": {"code": "ok", "message": "", "log_id": log_id()}})


def error(code: str, message: str = "", status: int | None = None) -> Reply:
    found = STATUS_OF_CODE.get(code, 400) if status is None else status
    words = message or code.replace("_", " ")
    return Reply(found, {"data": {}, "error": {"code": code, "message": words, "log_id": log_id()}})


def refused(code: str, message: str = "") -> Refused:
    return Refused(error(code, message))


class Body:
    """A JSON object that is read member by member; what is of a wrong type is refused."""

    def __init__(self, world: World, value: Any, path: str = "") -> None:
        self._world = world
        self._path = path
        if not isinstance(value, dict):
            raise self.invalid(f"{path or 'The request body'} must be an object")
        self._value: dict[str, Any] = value

    @classmethod
    def of(cls, world: World, call: Call) -> Body:
        if call.content_type != "application/json":
            raise Refused(error(_invalid_code(world), "Content-Type must be application/json"))
        try:
            return cls(world, call.json())
        except ValueError:
            raise Refused(error(_invalid_code(world), "The request body is not JSON")) from None

    def invalid(self, message: str) -> Refused:
        return Refused(error(_invalid_code(self._world), message))

    def allow(self, *names: str) -> None:
        for name in self._value:
            if name not in names:
                raise self.invalid(f"{self._path}{name} is not a member of this request")

    def inner(self, name: str) -> Body:
        return Body(self._world, self._value.get(name), f"{self._path}{name}.")

    def has(self, name: str) -> bool:
        return name in self._value

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        if name not in self._value and default is not None:
            return default
        value = self._value.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.invalid(f"{self._path}{name} must be a {kind.__name__}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        return str(self._typed(name, str, default))

    def number(self, name: str, default: int | None = None) -> int:
        return int(self._typed(name, int, default))

    def flag(self, name: str, default: bool | None = False) -> bool:
        return bool(self._typed(name, bool, default))

    def choice(self, name: str, *options: str) -> str:
        value = self.text(name)
        if value not in options:
            raise self.invalid(f"{self._path}{name} must be one of {', '.join(options)}")
        return value

    def texts(self, name: str, least: int, most: int) -> list[str]:
        value = self._typed(name, list, None)
        if not least <= len(value) <= most or not all(isinstance(one, str) for one in value):
            raise self.invalid(f"{self._path}{name} must be a list of {least} to {most} strings")
        return list(value)


def _invalid_code(world: World) -> str:
    return world.switch("tiktok_invalid_code", "invalid_params")
