"""X's ids, which tell when they were made."""

from __future__ import annotations

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657


class Snowflakes:
    """Ids that tell their time: milliseconds since X's epoch, shifted left by 22."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, epoch_s: float) -> int:
        made = (int(epoch_s * 1000) - SNOWFLAKE_EPOCH_MS) << 22
        self._last = max(self._last + 1, made)
        return self._last
