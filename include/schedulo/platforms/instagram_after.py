"""Instagram: posts that are out. Source: Meta, IG Media (delete: accounts with Facebook Login, with the
permission instagram_manage_contents) and what publishers met there."""

from __future__ import annotations

from collections.abc import Sequence

from schedulo.errors import Diagnosis, Phase, PlatformError
from schedulo.flow import Flow, Job, Response
from schedulo.model import Account, Content, Format
from schedulo.platforms import graph
from schedulo.platforms.after import TAKE_DOWN, After, Ended, Out, Presence, amend, hidden, nowhere
from schedulo.platforms.instagram import FIND_MARGIN_S
from schedulo.platforms.instagram_accepts import Login
from schedulo.platforms.instagram_container import GRAPH, Place

NOT_DELETABLE = "2207073"
NOT_THIS = "Instagram does not delete this kind of post for us; delete it in the app"
NO_EDIT = "Instagram does not let a caption be changed from outside; change it in the app"


class InstagramAfter:
    batch = 50

    def cannot_take_down(self, account: Account, content: Content) -> str:
        if account.options.get("login") == Login.FACEBOOK:
            return ""
        return (
            "Instagram takes posts down only for accounts that are connected by Facebook Login; "
            "delete it in the app"
        )

    def cannot_edit(self, account: Account, content: Content) -> str:
        return NO_EDIT

    def take_down(self, job: Job, out: Out) -> Flow:
        place = Place.of(job)
        request = graph.delete(place.service, f"/{place.version}/{out.post_id}")
        try:
            yield from amend(TAKE_DOWN, request, _gone)
        except PlatformError as error:
            if error.code.endswith(f"/{NOT_DELETABLE}"):
                return Ended(False, NOT_THIS)
            # Gone already, or hidden from this token: only the account's list can tell.
            if not graph.unreadable(error):
                raise
            if (yield from listed(place, [out])) != {out.key: Presence.ABSENT}:
                raise hidden(error) from None
        return Ended()

    def edit(self, job: Job, out: Out, name: str) -> Flow:
        return nowhere(NO_EDIT)

    def look(self, job: Job, posts: Sequence[Out]) -> Flow:
        """Fresh posts were seen to be unreadable for days while the account listed them, so one
        that cannot be read is looked for in the list."""
        place = Place.of(job)
        there, missing = yield from graph.seen(GRAPH, posts, lambda out: place.get(out.post_id, fields="id"))
        return there | ((yield from listed(place, missing)) if missing else {})


def _gone(response: Response) -> bool:
    """Some kinds of posts cannot be deleted this way, which proves that this one was not."""
    try:
        return GRAPH.success(response, Phase.READ)
    except PlatformError as error:
        if not error.code.endswith(f"/{NOT_DELETABLE}"):
            raise
        refusal = Diagnosis(error.kind, refusal=True)
        raise PlatformError(
            error.platform, refusal, status=error.status, code=error.code, message=error.message
        ) from None


def listed(place: Place, posts: Sequence[Out]) -> Flow:
    """What the account's list of its posts says of those that cannot be read one by one."""
    since = min(out.since_ms for out in posts) // 1000 - FIND_MARGIN_S
    request = place.get(f"{place.user}/media", fields="id", since=since, limit=50)
    items = yield from GRAPH.items("look-media", request)
    names = None if items is None else {str(item["id"]) for item in items}
    return {out.key: _presence(out, names) for out in posts}


def _presence(out: Out, names: set[str] | None) -> Presence:
    """Stories are not in the list, and whether reels are that are kept out of the feed Meta does not say."""
    content = out.content
    in_list = content.format is not Format.STORY and content.options.get("share_to_feed") is not False
    if names is None or (out.post_id not in names and not in_list):
        return Presence.UNSEEN
    return Presence.THERE if out.post_id in names else Presence.ABSENT


AFTER: After = InstagramAfter()
