"""What people would have done before: accounts connected, posts typed into Airtable; and how posts arrived.

Every post carries a token of its own in its text. Some irreversible requests carry no text (Instagram's
publish call, TikTok's last chunk), so arrivals are told apart by the text of what went live.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import av
import requests
from PIL import Image
from pyairtable.utils import chunked

from benchmarks.rig import Rig, Sandbox
from schedulo.model import Account, Platform
from schedulo.tokens.taking_in import MOST

TOKEN = "patSandbox"
BASE = "appSandbox0000001"
NAMES = {
    Platform.INSTAGRAM: "Instagram",
    Platform.TIKTOK: "TikTok",
    Platform.X: "X",
    Platform.FACEBOOK: "Facebook",
}
MARK = re.compile(r"\b[0-9a-f]{16}\b")


def picture() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((640, 640), 30).convert("RGB").save(out, "JPEG", quality=60)
    return out.getvalue()


def film() -> bytes:
    """A second of video as small as TikTok takes it: 360 pixels a side, 24 pictures a second."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 360, 640, "yuv420p"
        for number in range(48):
            shade = Image.new("RGB", (360, 640), (number * 5 % 256, 90, 160))
            file.mux(stream.encode(av.VideoFrame.from_image(shade)))
        file.mux(stream.encode())
    return out.getvalue()


FILES = {"picture.jpg": ("image/jpeg", picture), "film.mp4": ("video/mp4", film)}
MEDIA = {Platform.INSTAGRAM: "picture.jpg", Platform.TIKTOK: "film.mp4"}


def accounts(number: int) -> list[Account]:
    """So many accounts, the platforms taking turns."""
    platforms = list(NAMES)
    made = []
    for index in range(number):
        platform = platforms[index % len(platforms)]
        options = {"login": "instagram_login"} if platform is Platform.INSTAGRAM else {}
        made.append(Account(platform, str(17_000_000 + index), f"account {index}", options=options))
    return made


def token_of(account: Account) -> str:
    return f"token-{account.platform}-{account.account_id}"


def seed(people: Sequence[Account], tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sandbox's seed: these accounts, a base with `tables`, the two media files."""
    of: dict[Platform, list[dict[str, Any]]] = defaultdict(list)
    for account in people:
        id_, token = account.account_id, token_of(account)
        of[account.platform].append(
            {
                Platform.INSTAGRAM: {
                    "account_id": id_,
                    "username": f"u{id_}",
                    "name": f"u{id_}",
                    "token": token,
                },
                Platform.TIKTOK: {"account_id": id_, "username": f"u{id_}", "token": token, "limits": "off"},
                Platform.X: {"account_id": id_, "username": f"u{id_}", "token": token, "limits": "off"},
                Platform.FACEBOOK: {"page_id": id_, "name": f"u{id_}", "page_token": token},
            }[account.platform]
        )
    files = [
        {"path": name, "content_type": kind, "base64": base64.b64encode(make()).decode()}
        for name, (kind, make) in FILES.items()
    ]
    client = {"client_key": "bench", "client_secret": "bench", "audited": True}
    return {
        "airtable": {
            "tokens": [{"token": TOKEN}],
            "bases": [{"id": BASE, "name": "Bench", "tables": list(tables)}],
        },
        "media": {"files": files},
        "instagram": {"accounts": of[Platform.INSTAGRAM]},
        "facebook": {"pages": of[Platform.FACEBOOK]},
        "x": {"accounts": of[Platform.X]},
        "tiktok": {"clients": [client], "accounts": of[Platform.TIKTOK]},
    }


def connect(rig: Rig, people: Sequence[Account]) -> dict[str, str]:
    """Seed the stand-ins, make the base, keep the tokens, type the accounts; answers their record ids."""
    start = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
    rig.sandbox.control("POST", "seed", seed(people, [start]))
    rig.stack.run("schedulo", "airtable", "create")
    tokens = rig.stack.home / "tokens.json"
    for some in chunked(people, MOST):
        tokens.write_text(json.dumps({account.key: {"access_token": token_of(account)} for account in some}))
        rig.stack.run("schedulo", "accounts", "connect", "--unchecked", "--file", str(tokens))
    rows = [
        {
            "Name": account.name,
            "Platform": NAMES[account.platform],
            "Account ID": account.account_id,
            "Username": f"u{account.account_id}",
            "Time zone": "UTC",
            "Active": True,
        }
        | ({"Login": "Instagram Login"} if account.platform is Platform.INSTAGRAM else {})
        for account in people
    ]
    ids = create(rig.sandbox, "Accounts", rows)
    return {account.key: id_ for account, id_ in zip(people, ids, strict=True)}


def create(sandbox: Sandbox, table: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Create rows as people do; answers their record ids."""
    ids: list[str] = []
    with sandbox.planting(), requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        for first in range(0, len(rows), 10):
            body = {"records": [{"fields": fields} for fields in rows[first : first + 10]]}
            answer = session.post(f"{sandbox.url}/airtable/v0/{BASE}/{table}", json=body, timeout=60)
            if not answer.ok:
                raise RuntimeError(f"{table}: {answer.status_code} {answer.text[:300]}")
            ids += [record["id"] for record in answer.json()["records"]]
    return ids


@dataclass(frozen=True, slots=True)
class Planned:
    """One post: where, with which mark in its text, due when (epoch seconds)."""

    account: Account
    mark: str
    due_s: float

    @property
    def text(self) -> str:
        return f"Good morning from {self.account.name}: {self.mark}"


def planned(people: Iterable[Account], due_s: Iterable[float]) -> list[Planned]:
    return [Planned(account, secrets.token_hex(8), due) for account, due in zip(people, due_s, strict=True)]


def plan(rig: Rig, posts: Sequence[Planned], account_rows: Mapping[str, str]) -> None:
    """Type the posts into Airtable."""
    rows = []
    for post in posts:
        row: dict[str, Any] = {
            "Title": post.mark,
            "Text": post.text,
            "Accounts": [account_rows[post.account.key]],
            "Publish at": iso(post.due_s),
            "Status": "Ready",
        }
        if name := MEDIA.get(post.account.platform):
            row["Media"] = [{"url": f"{rig.sandbox.url}/media/{name}"}]
        if post.account.platform is Platform.TIKTOK:
            row["TikTok privacy"] = "Everyone"
        rows.append(row)
    create(rig.sandbox, "Posts", rows)


def iso(instant_s: float) -> str:
    return datetime.fromtimestamp(instant_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How planned posts went live."""

    lateness_s: tuple[float, ...]
    """First arrival minus due, one a post, sorted; infinite for one that never arrived."""
    received_once: int
    early: int
    last_s: float
    """The last arrival minus the earliest due instant, of what arrived."""

    def quantile(self, share: float) -> float:
        """The lateness that this share of the posts kept within (nearest rank)."""
        return self.lateness_s[max(0, math.ceil(share * len(self.lateness_s)) - 1)]


def arrivals(posts: Sequence[Planned], live: Iterable[Mapping[str, Any]]) -> Arrivals:
    """Compare what was planned with what the sandbox received."""
    seen: dict[str, list[float]] = defaultdict(list)
    for item in live:
        for mark in MARK.findall(item["text"]):
            seen[mark].append(item["received_at"])
    lateness = [min(seen[post.mark], default=math.inf) - post.due_s for post in posts]
    came = [instant for post in posts for instant in seen[post.mark]]
    return Arrivals(
        lateness_s=tuple(sorted(lateness)),
        received_once=sum(len(seen[post.mark]) == 1 for post in posts),
        early=sum(late < 0 for late in lateness),
        last_s=max(came, default=math.inf) - min(post.due_s for post in posts),
    )
