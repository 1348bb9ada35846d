"""Facebook's token calls: exchange for a long-lived token, app tokens, debug_token, `/me` and `/me/accounts`.

Sources: Meta, "Get long-lived tokens", "Debugging access tokens", User accounts reference.
"""

from __future__ import annotations

from typing import Any

from sandbox import growth
from sandbox.core import Call, Refused, Reply, route
from sandbox.meta import errors
from sandbox.meta.graph import GraphService, Request, names, read_params, select
from sandbox.meta.store import DATA_ACCESS_S, LONG_LIVED_S, Page, Token

PAGE_FIELDS = names(
    "id name access_token tasks instagram_business_account link category category_list fan_count"
    " followers_count username about description description_html display_subtext cover emails engagement"
    " global_brand_page_name global_brand_root_id phone picture verification_status website"
)


def levels(page: Page, at: float) -> dict[str, int]:
    """How a Page stands at an instant of the world's clock, by the names of its fields."""
    return {
        "followers_count": growth.level(page.page_id, "followers", at)
        if page.followers is None
        else page.followers,
        "fan_count": growth.level(page.page_id, "fans", at) if page.likes is None else page.likes,
    }


class Logins:
    """The edges of `graph.facebook.com` that are about tokens and whom they speak for."""

    def __init__(self, service: GraphService) -> None:
        self.service = service
        self.store = service.store
        for prefix in ("", "/{version}"):
            service.routes += [
                route("GET", f"{prefix}/oauth/access_token", "oauth_access_token", self.exchange),
                route("POST", f"{prefix}/oauth/access_token", "oauth_access_token", self.exchange),
                route("GET", f"{prefix}/debug_token", "debug_token", self.debug),
            ]
        service.edge("GET", "/me", "me", self.me)
        service.edge("GET", "/me/accounts", "accounts", self.accounts, scopes=("pages_show_list",))

    async def exchange(self, call: Call) -> Reply:
        """`grant_type=fb_exchange_token` (60 days) or `client_credentials` (an app token)."""
        service = self.service
        params = read_params(call, service).values
        app = self.store.apps.get(params.get("client_id", ""))
        if app is None or params.get("client_secret") != app.secret:
            raise service.refuse(errors.BAD_CLIENT_SECRET)
        match params.get("grant_type"):
            case "client_credentials":
                return Reply(200, {"access_token": f"{app.app_id}|{app.secret}", "token_type": "bearer"})
            case "fb_exchange_token":
                old = service.token(call, {"access_token": params.get("fb_exchange_token", "")})
                now = service.world.now()
                expires_at = 0.0 if old.kind == "page" else now + LONG_LIVED_S
                value = "EAA" + self.store.secret()
                new = Token(value, old.kind, list(old.owners), old.scopes, now, expires_at, app.app_id)
                self.store.grant(new)
                self.store.user_pages[value] = self.store.user_pages.get(old.value, {})
                answer = {"access_token": value, "token_type": "bearer"}
                return Reply(200, answer | ({"expires_in": LONG_LIVED_S} if expires_at else {}))
        raise service.invalid("Param grant_type must be fb_exchange_token or client_credentials")

    async def debug(self, call: Call) -> Reply:
        """What a token is; asked with an app token `id|secret`, or with a living token of the same app."""
        service = self.service
        params = read_params(call, service).values
        app_tokens = {f"{app.app_id}|{app.secret}" for app in self.store.apps.values()}
        if (params.get("access_token") or call.bearer()) not in app_tokens:
            service.token(call, params)
        if "input_token" not in params:
            raise service.invalid("The parameter input_token is required")
        token = self.store.tokens.get(params["input_token"])
        if token is None:
            error = {"code": 190, "message": errors.TOKEN_UNREADABLE.message}
            return Reply(200, {"data": {"error": error, "is_valid": False, "scopes": []}})
        app = self.store.app_of(token)
        data: dict[str, Any] = {
            "app_id": app.app_id if app else None,
            "type": token.kind.upper(),
            "application": "Schedulo sandbox",
            "is_valid": True,
            "issued_at": int(token.issued_at),
            "expires_at": int(token.expires_at),
            "data_access_expires_at": int(token.issued_at + DATA_ACCESS_S),
            "scopes": sorted(token.scopes),
            "granular_scopes": [{"scope": scope} for scope in sorted(token.scopes)],
            "user_id": self.store.user_id,
        }
        if token.kind == "page":
            data["profile_id"] = token.owners[0]
        try:
            service.token(call, {"access_token": token.value})
        except Refused as refused:
            error = refused.reply.body["error"]
            data["is_valid"] = False
            data["error"] = {"code": 190, "message": error["message"], "subcode": error.get("error_subcode")}
        return Reply(200, {"data": data})

    async def me(self, request: Request) -> dict[str, Any]:
        node = self.store.nodes.get(request.token.owners[0])
        if request.token.kind == "page" and isinstance(node, Page):
            return self.read_page(request, node)
        values = {"id": self.store.user_id, "name": "Sandbox person"}
        asked = request.params.get("fields")
        return select(values, asked, names("id name"), ("id", "name"), self.service)

    async def accounts(self, request: Request) -> dict[str, Any]:
        """The Pages of a person, each with its own token."""
        pages = self.store.user_pages.get(request.token.value, {}).values()
        default = ("id", "name", "access_token", "tasks", "category")
        return {"data": [self.describe_page(page, request, default) for page in pages]}

    def read_page(self, request: Request, page: Page) -> dict[str, Any]:
        if page.page_id not in request.token.owners:
            raise self.service.no_object(request.node)
        return self.describe_page(page, request, ("id", "name"))

    def describe_page(self, page: Page, request: Request, default: tuple[str, ...]) -> dict[str, Any]:
        linked = page.instagram_account_id
        values = {
            "id": page.page_id,
            "name": page.name,
            "access_token": page.page_token,
            "tasks": page.tasks,
            "instagram_business_account": {"id": linked} if linked else None,
            "link": f"https://www.facebook.com/{page.page_id}",
            "category": "Website",
            **levels(page, self.service.world.now()),
        }
        return select(values, request.params.get("fields"), PAGE_FIELDS, default, self.service)
