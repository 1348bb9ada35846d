"""TikTok's Connection."""

from __future__ import annotations

from hooks.platform import Base, PlatformHook, WhoAmI


class TikTokHook(PlatformHook):
    """
    TikTok's API. Login is the client key, Password the client secret.

    :param tiktok_conn_id: the Connection's id.
    """

    conn_name_attr = "tiktok_conn_id"
    default_conn_name = "tiktok_default"
    conn_type = "tiktok"
    hook_name = "TikTok"

    bases = {"tiktok": Base("https://open.tiktokapis.com")}  # noqa: RUF012
    who_am_i = (
        WhoAmI(
            "tiktok",
            lambda: "/v2/user/info/?fields=open_id,display_name",
            within=("data", "user"),
            id_field="open_id",
            name_field="display_name",
        ),
    )

    def __init__(self, tiktok_conn_id: str = default_conn_name) -> None:
        super().__init__(tiktok_conn_id)
