"""A small known warehouse: two accounts, ten posts, four weeks. The page of questions shows what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tests.schedulo.analytics.figures import FIRST, Figures, Told

BERLIN, NYC = "instagram:17841400000000001", "x:1001"
DAYS = 29


def fill(figures: Figures) -> None:
    figures.account(BERLIN, "northlight.berlin", "Europe/Berlin")
    figures.account(NYC, "northlight_nyc", "America/New_York")
    for platform in ("instagram", "x"):
        figures.metric(platform, "followers", "level")
    figures.metric("instagram", "views", "day")
    reel = {"format": "reel", "media_kind": "video", "text_length": 120}
    image = {"format": "image", "media_kind": "image", "text_length": 40}
    for week in range(3):  # Mondays at 9 and Thursdays at 18 in Berlin, Tuesdays at 12 in New York
        _post(
            figures, f"reel {week + 1}", BERLIN, 7 * week, 9, 6_400 * (week + 1), ["coffee", "roast"], **reel
        )
        _post(figures, f"image {week + 1}", BERLIN, 7 * week + 3, 18, 1_600 * (week + 1), ["coffee"], **image)
        _post(figures, f"text {week + 1}", NYC, 7 * week + 1, 12, 3_200, [], lateness_s=week / 4)
    _post(figures, "young reel", BERLIN, DAYS - 2, 9, 64_000, ["coffee"], **reel)
    figures.daily(BERLIN, "followers", {day: 1_000 + 10 * day for day in range(DAYS)})
    figures.daily(NYC, "followers", {day: None if day == 0 else 500 - day for day in range(DAYS)})
    figures.daily(BERLIN, "views", {day: 800 if day < DAYS - 7 else 1_000 for day in range(DAYS)}, "day")
    _costs(figures)


def _post(
    figures: Figures,
    title: str,
    account: str,
    day: int,
    hour: int,
    views: int,
    tags: list[str],
    **more: object,
) -> None:
    key = title.replace(" ", "-")
    figures.post(key, account, day, hour, tags, title=title, **more)
    # Each day brings half of what is still to come.
    seen = {at: views - (views >> (at - day + 1)) for at in range(day, DAYS)}
    figures.daily(key, "views", seen)
    rates = {"likes": 20, "comments": 100, "shares": 200, "saves": 100}
    for metric, one_in in rates.items():
        numbers: dict[int, Told] = {at: number // one_in for at, number in seen.items()}
        if title == "text 3" and metric == "saves":
            numbers = dict.fromkeys(numbers, ("no_permission", "This login may not read bookmarks."))
        figures.daily(key, metric, numbers)
    if account == NYC:
        figures.daily(key, "clicks", dict.fromkeys(seen, ("retired", "X refuses url_link_clicks.")))


def _costs(figures: Figures) -> None:
    rows = []
    for day in range(DAYS):
        for account, calls, cost in ((BERLIN, 5, 0), (NYC, 2, 0.015)):
            at = datetime.combine(FIRST + timedelta(days=day + 1), datetime.min.time(), UTC)
            row = {"id": f"{account} {day}", "account_key": account, "purpose": "day", "started_at": at}
            rows.append({**row, "date": FIRST + timedelta(days=day), "calls": calls, "cost_usd": cost})
    figures.run(sa.insert(figures.house.collections).values(rows))
