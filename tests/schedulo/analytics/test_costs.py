"""What collecting says that it costs is what X charges for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.schedulo.analytics.stand import HOUR_S, Stand


def test_young_posts_cost_once_a_day_of_utc_however_often_they_are_read(stand: Stand) -> None:
    key = stand.x_account(zone="America/New_York")
    gone, _, _ = (stand.post(key, f"2026-09-02 1{hour}:00") for hour in range(3))
    stand.go("2026-09-02 13:00")
    said = 0.0
    for _ in range(20):  # into the third of September, and over New York's midnight
        stand.go(stand.now_s + HOUR_S)
        said += stand.read(key).cost_usd
    stand.sandbox.remove("x", stand.remote(gone))
    said += stand.collect(key, "2026-09-02").cost_usd
    stand.go(stand.now_s + 24 * HOUR_S)
    said += stand.collect(key, "2026-09-03").cost_usd
    charged = {row["what"]: row["count"] for row in stand.sandbox.costs()}
    assert charged["own post read"] == 3 + 3 + 2
    assert said == pytest.approx(sum(row["usd"] for row in stand.sandbox.costs())) == 0.008


def test_the_full_price_is_counted_where_the_operator_says_so(stand: Stand) -> None:
    stand.settings = replace(stand.settings, x_owned_reads=False)
    stand.sandbox.switch(x_owned_reads="no")
    key = stand.x_account()
    stand.post(key, "2026-09-02 10:00")
    stand.go("2026-09-03 01:00")
    found = stand.collect(key, "2026-09-02")
    assert found.cost_usd == pytest.approx(sum(row["usd"] for row in stand.sandbox.costs())) == 0.005
