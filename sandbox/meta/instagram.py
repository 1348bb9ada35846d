"""Plays https://graph.instagram.com: Instagram with Instagram Login.

Seed: `{"instagram": {"accounts": [{"account_id", "username", "name", "token", "flavour":
"instagram_login"|"facebook_login", "scopes"?, "quota_total"?, "token_issued_at"?, "token_expires_at"?,
"followers"?, "timezone"?}], "posts": [...] (see `instagram_insights`)}}`.
Accounts of the Facebook Login flavour answer on `/facebook`, with this token, or with the Page's tokens.

Sources: Meta, "Instagram Platform" references of access_token and refresh_access_token.
Switches: `ig_refresh` "new" (default: a new string, the old one stays good) | "new_old_dead" | "same".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.core import Call, Reply, World, route
from sandbox.meta import errors, instagram_insights
from sandbox.meta.containers import Publishing
from sandbox.meta.graph import GraphService, Params, Request, read_params
from sandbox.meta.media_rules import PARAMS
from sandbox.meta.readback import INSTAGRAM_LOGIN
from sandbox.meta.store import DAY_S, LONG_LIVED_S, Account, Comment, Container, Medium, Token


class Instagram(GraphService):
    """The Instagram API with Instagram Login."""

    name = "instagram"
    token_kinds = ("instagram",)
    parameter_error_type = "IGApiException"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        edges = self.edges = Publishing(self, INSTAGRAM_LOGIN)
        for path, name, handler in (
            ("/access_token", "access_token", self.exchange),
            ("/refresh_access_token", "refresh_access_token", self.refresh),
        ):
            self.routes.append(route("GET", path, name, self._unversioned(handler)))
        self.edge("POST", "/{node}/media", "media", edges.create, params=PARAMS)
        self.edge("POST", "/{node}/media_publish", "media_publish", edges.publish, params=("creation_id",))
        self.edge("POST", "/{node}/comments", "comments", self.add_comment, params=("message",))
        self.edge("POST", "/{node}/replies", "replies", self.add_comment, params=("message",))
        self.edge("GET", "/{node}/media", "media", self.readable(edges.media))
        self.edge("GET", "/{node}/stories", "stories", self.readable(edges.stories))
        self.edge("GET", "/{node}/comments", "comments", self.readable(self.list_comments))
        self.edge("GET", "/{node}/replies", "replies", self.readable(self.list_comments))
        self.edge("GET", "/{node}/children", "children", self.readable(edges.children))
        limit = self.readable(edges.limit)
        self.edge("GET", "/{node}/content_publishing_limit", "content_publishing_limit", limit)
        insights = instagram_insights.Insights(self, edges)
        self.edge("GET", "/{node}/insights", "insights", self.readable(insights.read))
        self.edge("GET", "/me", "me", self.me)
        self.edge("GET", "/{node}", "node", self.readable(self.read_node))

    def seed(self, data: dict[str, Any]) -> None:
        now = self.world.now()
        for row in data.get("accounts", []):
            by_instagram = row.get("flavour", "instagram_login") == "instagram_login"
            account = Account(
                account_id=str(row["account_id"]),
                username=row["username"],
                name=row.get("name", row["username"]),
                flavour="instagram_login" if by_instagram else "facebook_login",
                quota_total=row.get("quota_total"),
                followers=row.get("followers"),
                timezone=row.get("timezone", "UTC"),
            )
            self.store.nodes[account.account_id] = account
            if "token" not in row:
                continue
            issued_at = float(row.get("token_issued_at", now))
            expires_at = row.get("token_expires_at", issued_at + LONG_LIVED_S if by_instagram else 0)
            self.store.grant(
                Token(
                    value=row["token"],
                    kind="instagram" if by_instagram else "page",
                    owners=[account.account_id],
                    scopes=self.store.scopes(row.get("scopes"), account.flavour),
                    issued_at=issued_at,
                    expires_at=float(expires_at),
                )
            )

        instagram_insights.seed_posts(self, data.get("posts", []))

    def numbers(self, at: float) -> list[dict[str, Any]]:
        """Of all accounts, also of those that answer on `/facebook`."""
        return list(instagram_insights.numbers(self.store, at))

    def remove(self, post_id: str) -> bool:
        medium = self.store.nodes.get(post_id)
        if not isinstance(medium, Medium) or medium.parent is not None:
            return False
        self.edges.forget(medium)
        return True

    async def me(self, request: Request) -> dict[str, Any]:
        request.call.args = {**request.call.args, "node": "me"}
        return await self.edges.read_account(request, self.edges.account(request))

    async def read_node(self, request: Request) -> dict[str, Any]:
        match self.store.nodes.get(request.node):
            case Account(flavour="instagram_login") as account:
                return await self.edges.read_account(request, account)
            case Container() as container:
                return await self.edges.read_container(request, container)
            case Medium() as medium:
                return await self.edges.read_medium(request, medium)
            case Comment() as comment:
                return await self.edges.read_comment(request, comment)
        raise self.no_object(request.node)

    async def add_comment(self, request: Request) -> dict[str, str]:
        return await self.edges.comment(request, self._commented(request))

    async def list_comments(self, request: Request) -> dict[str, Any]:
        return await self.edges.comments(request, self._commented(request))

    def _commented(self, request: Request) -> Medium | Comment:
        node = self.store.nodes.get(request.node)
        if not isinstance(node, Medium | Comment):
            raise self.no_object(request.node)
        return node

    # Tokens. These two paths have no version.

    def _unversioned(
        self, handler: Callable[[Call, Params], Awaitable[dict[str, Any]]]
    ) -> Callable[[Call], Awaitable[Reply]]:
        async def handle(call: Call) -> Reply:
            return Reply(200, await handler(call, read_params(call, self)), self._headers())

        return handle

    async def exchange(self, call: Call, params: Params) -> dict[str, Any]:
        """A short-lived token becomes one of 60 days."""
        if params.values.get("grant_type") != "ig_exchange_token":
            raise self.invalid("Param grant_type must be ig_exchange_token")
        if params.values.get("client_secret") not in {app.secret for app in self.store.apps.values()}:
            raise self.refuse(errors.BAD_CLIENT_SECRET)
        return self._long_lived(self.token(call, params.values))

    async def refresh(self, call: Call, params: Params) -> dict[str, Any]:
        """60 more days for a token that is at least 24 hours old and has not expired."""
        if params.values.get("grant_type") != "ig_refresh_token":
            raise self.invalid("Param grant_type must be ig_refresh_token")
        token = self.token(call, params.values)
        if "instagram_business_basic" not in token.scopes:
            raise self.refuse(errors.NO_PERMISSION)
        if self.world.now() - token.issued_at < DAY_S:
            raise self.invalid("The token must be at least 24 hours old")
        fate = self.world.switch("ig_refresh", "new")
        if fate == "same":
            token.issued_at = self.world.now()
            token.expires_at = token.issued_at + LONG_LIVED_S
            return _token_answer(token)
        answer = self._long_lived(token)
        if fate == "new_old_dead":
            token.subcode = errors.TOKEN_INVALID.subcode
        return answer

    def _long_lived(self, token: Token) -> dict[str, Any]:
        now = self.world.now()
        value = "IGAA" + self.store.secret()
        until = now + LONG_LIVED_S
        new = Token(value, token.kind, list(token.owners), token.scopes, now, until, token.app_id)
        return _token_answer(self.store.grant(new))


def _token_answer(token: Token) -> dict[str, Any]:
    return {
        "access_token": token.value,
        "token_type": "bearer",
        "expires_in": round(token.expires_at - token.issued_at),
        "permissions": ",".join(sorted(token.scopes)),
    }
