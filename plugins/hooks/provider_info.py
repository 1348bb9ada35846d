"""What Airflow must know of our connection types before it imports any of them: names, hooks, forms.

Airflow reads it in every process, through the distribution's entry point `apache_airflow_provider`, so it is
data alone. Plain names of fields (host, login, ...) are Airflow's, the others are keys of Extra.
"""

from __future__ import annotations

from typing import Any


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _secret(label: str, description: str) -> dict[str, Any]:
    schema = {"type": ["string", "null"], "format": "password"}
    return {"label": label, "description": description, "schema": schema}


def _platform(
    conn_type: str,
    name: str,
    hook: str,
    host: str,
    *,
    app_id: str = "App ID",
    app_secret: str = "App secret",  # noqa: S107
    account: str = "Account ID",
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "connection-type": conn_type,
        "hook-class-name": hook,
        "hook-name": name,
        "conn-fields": {
            "account_id": _text(account, f"{name}'s own id of the account, if this Connection has just one."),
            "token": _secret("Access token", "The token of that account. Others are kept in the vault."),
            **(more or {}),
        },
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "extra"],
            "relabeling": {"host": "Address", "login": app_id, "password": app_secret},
            "placeholders": {"host": host},
        },
    }


_RUPLOAD = {"rupload_host": _text("Address for uploads", "Empty: https://rupload.facebook.com")}

AIRTABLE: dict[str, Any] = {
    "connection-type": "airtable",
    "hook-class-name": "hooks.airtable.AirtableHook",
    "hook-name": "Airtable",
    "conn-fields": {"base_id": _text("Base ID", "Begins with app; it is in the address of the base.")},
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "login", "port", "extra"],
        "relabeling": {"host": "Address", "password": "Personal access token"},
        "placeholders": {"host": "https://api.airtable.com", "password": "pat..."},
    },
}

CONNECTION_TYPES: list[dict[str, Any]] = [
    AIRTABLE,
    _platform(
        "instagram",
        "Instagram",
        "hooks.instagram.InstagramHook",
        "https://graph.instagram.com",
        more={
            "facebook_host": _text("Address for Facebook Login", "Empty: https://graph.facebook.com"),
            **_RUPLOAD,
        },
    ),
    _platform(
        "facebook",
        "Facebook",
        "hooks.facebook.FacebookHook",
        "https://graph.facebook.com",
        account="Page ID",
        more=_RUPLOAD,
    ),
    _platform(
        "x",
        "X",
        "hooks.x.XHook",
        "https://api.x.com",
        app_id="Client ID",
        app_secret="Client secret",  # noqa: S106
    ),
    _platform(
        "tiktok",
        "TikTok",
        "hooks.tiktok.TikTokHook",
        "https://open.tiktokapis.com",
        app_id="Client key",
        app_secret="Client secret",  # noqa: S106
        account="Open ID",
    ),
]


def get_provider_info() -> dict[str, Any]:
    """Airflow's entry point for providers."""
    return {
        "package-name": "schedulo",
        "name": "Schedulo",
        "description": "Publishes planned social-media posts on the second, exactly once.",
        "connection-types": CONNECTION_TYPES,
    }
