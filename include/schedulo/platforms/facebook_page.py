"""Where a Facebook Page's calls go, and how its answers are read: shared by posts, videos and stories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from schedulo.errors import PlatformError
from schedulo.flow import Finding, Flow, Job, Look, Request, step
from schedulo.model import Media, Platform
from schedulo.platforms import graph
from schedulo.platforms.graph import Graph

SITE = "https://www.facebook.com"
GRAPH = Graph(Platform.FACEBOOK)
EARLIER_S = 60
"""How much older than the write its post may say it is: clocks differ."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a Page's calls go."""

    version: str
    page_id: str

    @classmethod
    def of(cls, job: Job) -> Page:
        return cls(job.options["meta_version"], job.account.account_id)

    def get(self, path: str, **query: str | int | bool | None) -> Request:
        return graph.get("facebook", f"/{self.version}/{path}", **query)

    def post(self, path: str, timeout_s: float = 30.0, **form: str | int | bool | None) -> Request:
        return graph.post("facebook", f"/{self.version}/{path}", timeout_s, **form)

    def delete(self, path: str) -> Request:
        return graph.delete("facebook", f"/{self.version}/{path}")

    def commit(self, path: str, **form: str | int | bool | None) -> Request:
        return self.post(path, graph.COMMIT_TIMEOUT_S, **form)


def upload_photo(page: Page, number: int, media: Media) -> Flow:
    """An unpublished photo; it lives for a day. Ends with its id."""
    request = page.post(f"{page.page_id}/photos", published=False, alt_text_custom=media.alt_text or None)
    return step(
        f"photo-{number}",
        graph.multipart(request, "source", media, graph.whole(media)),
        partial(GRAPH.text, name="id"),
        keep_s=graph.HANDLE_KEEP_S,
    )


def whole_link(link: str | None) -> str | None:
    """Videos tell a path, posts an address."""
    return f"{SITE}{link}" if link and link.startswith("/") else link


def not_read(error: PlatformError, what: str) -> Finding:
    """100/33 hides things that are there; any other trouble is the driver's to wait out."""
    if not graph.unreadable(error):
        raise error
    return Finding(Look.UNCLEAR, note=f"{what} cannot be read ({error.code})")
