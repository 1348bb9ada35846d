"""X: posts that are out. Sources: X API, manage posts (delete), posts lookup, response codes and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schedulo.errors import Phase
from schedulo.flow import Flow, Job, Request, Response, step
from schedulo.model import Account, Content
from schedulo.platforms.after import TAKE_DOWN, After, Ended, Out, Presence, amend, nowhere
from schedulo.platforms.x_answers import raise_for
from schedulo.words import word

NO_EDIT = (
    "X cannot change a post: an edit there is a new post, for Premium accounts and within the first hour"
)


class XAfter:
    batch = 100
    """X: posts lookup, ids."""

    def cannot_take_down(self, account: Account, content: Content) -> str:
        return ""

    def cannot_edit(self, account: Account, content: Content) -> str:
        return f"{NO_EDIT}; take it down and plan a new one"

    def take_down(self, job: Job, out: Out) -> Flow:
        """A thread goes from its end, so that no part ever replies to nothing."""
        unnamed = []
        for number in range(len(out.content.thread) + 1, 1, -1):
            name = f"part-{number}"
            if name not in out.values and not out.whole:
                continue  # it never went out
            part = word(out.values.get(name)) or word(out.steps.get(f"find-{number}"))
            if part:
                yield from amend(f"{TAKE_DOWN}-{name}", _delete(part), _gone, f"part {number}")
            else:
                unnamed.append(str(number))
        yield from amend(TAKE_DOWN, _delete(out.post_id), _gone)
        if not unnamed:
            return Ended()
        parts = " and ".join(unnamed)
        return Ended(note=f"the id of part {parts} of the thread is not known; delete it in the app")

    def edit(self, job: Job, out: Out, name: str) -> Flow:
        return nowhere(NO_EDIT)

    def look(self, job: Job, posts: Sequence[Out]) -> Flow:
        """One request for all. Where some are missing, X is asked who we are: a suspended account shows none
        of its posts."""
        ids = ",".join(out.post_id for out in posts)
        request = Request("x", "GET", "/2/tweets", query=(("ids", ids),))
        shown = yield from step("look-posts", request, _shown, keep_s=0.0)
        found = {out.key: Presence(shown.get(out.post_id, Presence.UNSEEN)) for out in posts}
        if Presence.ABSENT in found.values():
            yield from step("look-account", Request("x", "GET", "/2/users/me"), ourselves, keep_s=0.0)
        return found


def _delete(post_id: str) -> Request:
    return Request("x", "DELETE", f"/2/tweets/{post_id}")


def _gone(response: Response) -> bool:
    """200 and 204 say that it was deleted, 404 that it is not there: both are what was wished."""
    body = response.json()
    data = body.get("data") if isinstance(body, dict) else None
    told = isinstance(data, dict) and data.get("deleted") is True
    if response.status == 204 or (response.status == 200 and told) or _is_not_found(response, body):
        return True
    raise raise_for(response, Phase.READ)


def _is_not_found(response: Response, body: Any) -> bool:
    """X's own 404, not that of something in between."""
    return response.status == 404 and isinstance(body, dict) and bool(body.get("title") or body.get("errors"))


def _shown(response: Response) -> dict[str, str]:
    """Presence by post id. Hidden, withheld and unavailable posts are there, for all we know."""
    body = response.json() if response.ok else None
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        raise raise_for(response, Phase.READ)
    found = {word(post.get("id")): Presence.THERE.value for post in body.get("data") or ()}
    for error in body.get("errors") or ():
        if word(error.get("type")).endswith("/resource-not-found"):
            found[word(error.get("resource_id") or error.get("value"))] = Presence.ABSENT.value
    return found


def ourselves(response: Response) -> bool:
    """That X knows the account whose login is used; a suspended one it refuses."""
    body = response.json() if response.ok else None
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
        raise raise_for(response, Phase.READ)
    return True


AFTER: After = XAfter()
