"""TikTok: posts that are out. Nothing can be taken down or changed from outside; public videos can be looked
for. Source: TikTok, Display API (video query, video list)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schedulo.errors import Phase
from schedulo.flow import Flow, Job, Response, step
from schedulo.model import Account, Content, Format
from schedulo.platforms.after import After, Out, Presence, nowhere
from schedulo.platforms.tiktok_calls import ask, data_of

PUBLIC = "PUBLIC_TO_EVERYONE"
NO_TAKE_DOWN = "TikTok lets nobody take a post down from outside; delete it in the app"
NO_EDIT = "TikTok lets nobody change a post from outside; change it in the app"


class TikTokAfter:
    batch = 20
    """TikTok: video query, video_ids."""

    def cannot_take_down(self, account: Account, content: Content) -> str:
        return NO_TAKE_DOWN

    def cannot_edit(self, account: Account, content: Content) -> str:
        return NO_EDIT

    def take_down(self, job: Job, out: Out) -> Flow:
        return nowhere(NO_TAKE_DOWN)

    def edit(self, job: Job, out: Out, name: str) -> Flow:
        return nowhere(NO_EDIT)

    def look(self, job: Job, posts: Sequence[Out]) -> Flow:
        """Only public videos are shown. Absence counts only where the account's list shows another one: that
        of an account that went private may be empty."""
        found = {out.key: Presence.UNSEEN for out in posts}
        public = [out for out in posts if is_public(out.content)]
        if not public:
            return found
        ids = [out.post_id for out in public]
        request = _videos("query", {"filters": {"video_ids": ids}})
        shown = yield from step("look-videos", request, _ids, keep_s=0.0)
        if len(shown) < len(public) and not shown:
            others = yield from list_videos("look-list")
            if not others:
                return found
        return found | {
            out.key: Presence.THERE if out.post_id in shown else Presence.ABSENT for out in public
        }


def is_public(content: Content) -> bool:
    """Whether everybody may see it, and TikTok would show it."""
    return content.format is Format.VIDEO and content.options.get("privacy_level") == PUBLIC


def list_videos(name: str) -> Flow:
    """Ids of the account's newest public videos; none where the account went private."""
    return step(name, _videos("list", {"max_count": 20}), _ids, keep_s=0.0)


def _videos(verb: str, body: Mapping[str, Any]) -> Any:
    return ask(f"/v2/video/{verb}/", body, query=(("fields", "id"),))


def _ids(response: Response) -> list[str]:
    return [str(video["id"]) for video in data_of(response, Phase.READ).get("videos") or ()]


AFTER: After = TikTokAfter()
