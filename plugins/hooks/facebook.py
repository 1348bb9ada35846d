"""Facebook's Connection: the Graph API for Pages, and the host that takes uploads."""

from __future__ import annotations

from hooks.platform import Base, PlatformHook, WhoAmI
from schedulo.settings import settings


class FacebookHook(PlatformHook):
    """
    Facebook's Graph API, for Pages.

    Extra: `rupload_host` names another address than Facebook's own for uploads; the single account is a Page
    with its Page token.

    :param facebook_conn_id: the Connection's id.
    """

    conn_name_attr = "facebook_conn_id"
    default_conn_name = "facebook_default"
    conn_type = "facebook"
    hook_name = "Facebook"

    bases = {  # noqa: RUF012
        "facebook": Base("https://graph.facebook.com"),
        "rupload": Base("https://rupload.facebook.com", "rupload_host"),
    }
    who_am_i = (
        WhoAmI(
            "facebook",
            lambda: f"/{settings().meta_version}/me?fields=id,name",
            within=(),
            id_field="id",
            name_field="name",
        ),
    )

    def __init__(self, facebook_conn_id: str = default_conn_name) -> None:
        super().__init__(facebook_conn_id)
