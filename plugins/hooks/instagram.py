"""Instagram's Connection: Instagram Login, Facebook Login, and the host that takes uploads."""

from __future__ import annotations

from hooks.platform import Base, PlatformHook, WhoAmI
from schedulo.settings import settings


class InstagramHook(PlatformHook):
    """
    Instagram's API with both logins.

    Extra: `facebook_host` and `rupload_host` name other addresses than Facebook's own.

    :param instagram_conn_id: the Connection's id.
    """

    conn_name_attr = "instagram_conn_id"
    default_conn_name = "instagram_default"
    conn_type = "instagram"
    hook_name = "Instagram"

    bases = {  # noqa: RUF012
        "instagram": Base("https://graph.instagram.com"),
        "facebook": Base("https://graph.facebook.com", "facebook_host"),
        "rupload": Base("https://rupload.facebook.com", "rupload_host"),
    }
    who_am_i = (
        # `id` is scoped to the app; posts are published with `user_id` (Meta: Instagram Login, get started).
        WhoAmI(
            "instagram",
            lambda: f"/{settings().meta_version}/me?fields=user_id,username",
            within=(),
            id_field="user_id",
            name_field="username",
        ),
        # A token of Facebook Login speaks for the Page that the account is linked to.
        WhoAmI(
            "facebook",
            lambda: f"/{settings().meta_version}/me?fields=id,name",
            within=(),
            id_field="id",
            name_field="name",
            is_account=False,
        ),
    )

    def __init__(self, instagram_conn_id: str = default_conn_name) -> None:
        super().__init__(instagram_conn_id)
