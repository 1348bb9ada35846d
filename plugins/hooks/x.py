"""X's Connection."""

from __future__ import annotations

from hooks.platform import Base, PlatformHook, WhoAmI


class XHook(PlatformHook):
    """
    X's API, version 2.

    :param x_conn_id: the Connection's id.
    """

    conn_name_attr = "x_conn_id"
    default_conn_name = "x_default"
    conn_type = "x"
    hook_name = "X"

    bases = {"x": Base("https://api.x.com")}  # noqa: RUF012
    who_am_i = (WhoAmI("x", lambda: "/2/users/me", within=("data",), id_field="id", name_field="username"),)

    def __init__(self, x_conn_id: str = default_conn_name) -> None:
        super().__init__(x_conn_id)
