"""Where a Facebook Page's calls go, and how its answers are read: shared by posts and videos."""

from __future__ import annotations

from dataclasses import dataclass

from schedulo.errors import PlatformError
from schedulo.flow import Finding, Job, Look, Request
from schedulo.model import Platform
from schedulo.platforms import graph
from schedulo.platforms.graph import Graph

SITE = "https://www.facebook.com"
GRAPH = Graph(Platform.FACEBOOK)


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

    def commit(self, path: str, **form: str | int | bool | None) -> Request:
        return self.post(path, graph.COMMIT_TIMEOUT_S, **form)


def whole_link(link: str | None) -> str | None:
    """Videos tell a path, posts an address."""
    return f"{SITE}{link}" if link and link.startswith("/") else link


def not_read(error: PlatformError, what: str) -> Finding:
    """100/33 hides things that are there; any other trouble is the driver's to wait out."""
    if not graph.unreadable(error):
        raise error
    return Finding(Look.UNCLEAR, note=f"{what} cannot be read ({error.code})")
