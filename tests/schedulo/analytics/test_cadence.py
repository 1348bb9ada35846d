"""How often posts are read, by their age and by how much their numbers move."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schedulo.analytics.cadence import DOUBLINGS, is_wanted, next_reading_ms
from schedulo.settings import Settings

HOUR = 3_600_000
DAY = 24 * HOUR
BANDS = Settings().young_bands
OUT = 1_800_000_000_000


def readings(moves: bool) -> list[float]:
    """Ages in hours at which an hourly run, always a little late, reads a post."""
    ages, read_ms, unmoved = [], None, 0
    for hour in range(1, 24 * 10):
        now_ms = OUT + hour * HOUR + 7 * 60_000 + (hour * 7919) % 60_000
        next_ms = next_reading_ms(BANDS, OUT, read_ms, unmoved)
        if next_ms is not None and next_ms <= now_ms:
            unmoved = 0 if moves or read_ms is None else unmoved + 1
            read_ms = now_ms
            ages.append((now_ms - OUT) // HOUR)
    return ages


def test_a_post_whose_numbers_move_is_read_hourly_for_a_day_and_six_hourly_for_a_week() -> None:
    ages = readings(moves=True)
    assert ages[:24] == list(range(1, 25))
    assert all(later - earlier == 6 for earlier, later in pairwise(ages[24:]))
    assert 24 * 6 < ages[-1] < 24 * 7


def test_a_post_whose_numbers_rest_is_read_less_and_less() -> None:
    ages = readings(moves=False)
    assert ages[:5] == [1, 2, 4, 8, 16]
    assert len(ages) < 10


def test_without_bands_no_post_is_young() -> None:
    assert next_reading_ms((), OUT, None, 0) is None


@given(
    st.integers(0, 10 * DAY).map(lambda age: OUT + age),
    st.integers(0, 60),
)
def test_the_next_reading_is_always_ahead_and_never_beyond_the_last_band(read_ms: int, unmoved: int) -> None:
    next_ms = next_reading_ms(BANDS, OUT, read_ms, unmoved)
    if next_ms is not None:
        assert read_ms < next_ms <= read_ms + (BANDS[-1].every_ms << DOUBLINGS)
        assert next_ms < OUT + BANDS[-1].until_ms


def test_a_post_has_numbers_for_so_many_days_and_its_first_one_counts() -> None:
    first = date(2026, 9, 1)
    wanted = [age for age in range(-3, 100) if is_wanted(first + timedelta(days=age), first, 90, still=False)]
    assert wanted == list(range(90))
    still = [age for age in range(-3, 100) if is_wanted(first + timedelta(days=age), first, 90, still=True)]
    assert still == list(range(0, 90, 7))
