"""Plays https://graph.facebook.com and graph-video: Pages, tokens, and Instagram with Facebook Login.

This module says which edges there are and who may call them; what they do is in `logins`, `posts`, `videos`,
`stories`, `containers` and `readback`.

Seed: `{"facebook": {"apps": [{"app_id", "app_secret", "require_proof"?}], "pages": [{"page_id", "name",
"page_token", "user_token"?, "instagram_account_id"?, "scopes"?, "tasks"?, "app_id"?, "token_expires_at"?,
"user_token_expires_at"?, "followers"?, "likes"?}], "posts": [...] (see `facebook_insights`)}}`.
"""

from __future__ import annotations

from typing import Any

from sandbox.core import World
from sandbox.meta import facebook_insights, instagram_insights
from sandbox.meta.containers import Publishing
from sandbox.meta.graph import Edge, GraphService, Request
from sandbox.meta.logins import Logins
from sandbox.meta.media_rules import PARAMS
from sandbox.meta.posts import EDIT_PARAMS, FEED_PARAMS, PHOTO_PARAMS, Posts
from sandbox.meta.readback import FACEBOOK_LOGIN
from sandbox.meta.store import (
    LONG_LIVED_S,
    TASKS,
    Account,
    App,
    Comment,
    Container,
    Medium,
    Page,
    PagePost,
    PageVideo,
    Photo,
    Token,
)
from sandbox.meta.stories import PHOTO_STORY_PARAMS, VIDEO_STORY_PARAMS, Stories
from sandbox.meta.videos import REEL_PARAMS, VIDEO_PARAMS, Videos

PUBLISH = ("pages_manage_posts", "pages_read_engagement")
READ = ("pages_read_engagement",)


class Facebook(GraphService):
    """The Graph API with Facebook Login."""

    name = "facebook"
    token_kinds = ("page", "user")
    checks_proof = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.instagram = Publishing(self, FACEBOOK_LOGIN)
        self.logins = Logins(self)
        self.posts = Posts(self)
        self.videos = Videos(self, self.posts)
        self.stories = Stories(self, self.posts, self.videos)
        post, posts, videos, edges = self._post, self.posts, self.videos, self.instagram
        post("/{node}/feed", "feed", posts.feed, FEED_PARAMS, PUBLISH)
        post("/{node}/photos", "photos", posts.photos, PHOTO_PARAMS, PUBLISH)
        post("/{node}/videos", "videos", videos.videos, VIDEO_PARAMS, PUBLISH)
        post("/{node}/video_reels", "video_reels", videos.reels, REEL_PARAMS, PUBLISH)
        post("/{node}/photo_stories", "photo_stories", self.stories.photo, PHOTO_STORY_PARAMS, PUBLISH)
        post("/{node}/video_stories", "video_stories", self.stories.video, VIDEO_STORY_PARAMS, PUBLISH)
        post("/{node}/media", "media", edges.create, PARAMS)
        post("/{node}/media_publish", "media_publish", edges.publish, ("creation_id",))
        post("/{node}/comments", "comments", self.add_comment, ("message", "attachment_url"))
        post("/{node}/replies", "replies", self.add_comment, ("message",))
        post("/{node}", "node", self.edit, EDIT_PARAMS, PUBLISH)
        self.edge("DELETE", "/{node}", "node", self.delete, params=())
        for path, handler in (
            ("published_posts", posts.published_posts),
            ("posts", posts.published_posts),
            ("feed", posts.read_feed),
            ("scheduled_posts", posts.scheduled_posts),
            ("video_reels", videos.list_reels),
        ):
            self.edge("GET", "/{node}/" + path, path, self.readable(handler), scopes=READ)
        for path, handler in (
            ("media", edges.media),
            ("stories", self.list_stories),
            ("children", edges.children),
            ("content_publishing_limit", edges.limit),
            ("comments", self.list_comments),
            ("replies", self.list_comments),
        ):
            self.edge("GET", "/{node}/" + path, path, self.readable(handler))
        self.insights = facebook_insights.Insights(self)
        self.instagram_insights = instagram_insights.Insights(self, self.instagram)
        self.edge("GET", "/{node}/insights", "insights", self.readable(self.read_insights))
        self.edge("GET", "/{node}/video_insights", "video_insights", self.readable(self.insights.video))
        self.edge("GET", "/{node}", "node", self.readable(self.read_node))

    def _post(self, path: str, name: str, handler: Edge, params: Any, scopes: tuple[str, ...] = ()) -> None:
        self.edge("POST", path, name, handler, scopes=scopes, params=params)

    def seed(self, data: dict[str, Any]) -> None:
        now = self.world.now()
        for row in data.get("apps", []):
            app = App(str(row["app_id"]), row["app_secret"], bool(row.get("require_proof", False)))
            self.store.apps[app.app_id] = app
        for row in data.get("pages", []):
            linked = row.get("instagram_account_id")
            page = Page(
                page_id=str(row["page_id"]),
                name=row["name"],
                page_token=row["page_token"],
                instagram_account_id=str(linked) if linked else None,
                tasks=list(row.get("tasks", TASKS)),
                followers=row.get("followers"),
                likes=row.get("likes"),
            )
            self.store.nodes[page.page_id] = page
            owners = [page.page_id] + ([page.instagram_account_id] if page.instagram_account_id else [])
            scopes = self.store.scopes(row.get("scopes"), "facebook_login")
            expires_at = float(row.get("token_expires_at", 0))
            app_id = row.get("app_id")
            self.store.grant(Token(page.page_token, "page", list(owners), scopes, now, expires_at, app_id))
            if user_token := row.get("user_token"):
                expires_at = float(row.get("user_token_expires_at", now + LONG_LIVED_S))
                self.store.grant(Token(user_token, "user", list(owners), scopes, now, expires_at, app_id))
                self.store.user_pages.setdefault(user_token, {})[page.page_id] = page

        facebook_insights.seed_posts(self, data.get("posts", []))

    def numbers(self, at: float) -> list[dict[str, Any]]:
        return list(facebook_insights.numbers(self.store, at))

    async def read_insights(self, request: Request) -> dict[str, Any]:
        if isinstance(self.store.nodes.get(request.node), Account | Medium):
            return await self.instagram_insights.read(request)
        return await self.insights.read(request)

    async def read_node(self, request: Request) -> dict[str, Any]:
        match self.store.nodes.get(request.node):
            case Account(flavour="facebook_login") as account:
                return await self.instagram.read_account(request, account)
            case Container() as container:
                return await self.instagram.read_container(request, container)
            case Medium() as medium:
                return await self.instagram.read_medium(request, medium)
            case Comment() as comment if self.is_page(comment.account_id):
                return self.posts.read_comment(request, comment)
            case Comment() as comment:
                return await self.instagram.read_comment(request, comment)
            case Page() as page:
                return self.logins.read_page(request, page)
            case PagePost(kind=kind) as post if kind != "story":
                self.need(request, READ)
                return self.posts.read_post(request, post)
            case Photo() as photo:
                self.need(request, READ)
                return self.posts.read_photo(request, photo)
            case PageVideo() as video:
                self.need(request, READ)
                return self.videos.read(request, video)
        raise self.no_object(request.node)

    async def edit(self, request: Request) -> dict[str, Any]:
        node = self.store.nodes.get(request.node)
        if not isinstance(node, PagePost):
            raise self.no_object(request.node)
        return self.posts.edit(request, node)

    async def delete(self, request: Request) -> dict[str, Any]:
        match self.store.nodes.get(request.node):
            case PagePost() | PageVideo() as node:
                self.need(request, PUBLISH)
                return self.posts.delete(request, node)
            case Medium() as medium:
                return self.instagram.delete(request, medium)
        raise self.no_object(request.node)

    def remove(self, post_id: str) -> bool:
        node = self.store.nodes.get(post_id)
        if not isinstance(node, PagePost | PageVideo):
            return False
        self.posts.forget(node)
        return True

    async def add_comment(self, request: Request) -> dict[str, Any]:
        match self.store.nodes.get(request.node):
            case PagePost() | PageVideo() as node:
                return self.posts.comment(request, node)
            case Comment() as node if self.is_page(node.account_id):
                return self.posts.comment(request, node)
            case Medium() | Comment() as node:
                return await self.instagram.comment(request, node)
        raise self.no_object(request.node)

    async def list_stories(self, request: Request) -> dict[str, Any]:
        if self.is_page(request.node):
            self.need(request, READ)
            return await self.stories.list(request)
        return await self.instagram.stories(request)

    async def list_comments(self, request: Request) -> dict[str, Any]:
        match self.store.nodes.get(request.node):
            case PagePost() | PageVideo() as node:
                return self.posts.comments(request, node)
            case Comment() as node if self.is_page(node.account_id):
                return self.posts.comments(request, node)
            case Medium() | Comment() as node:
                return await self.instagram.comments(request, node)
        raise self.no_object(request.node)
