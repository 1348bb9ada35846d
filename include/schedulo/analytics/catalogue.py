"""What one platform can tell, as collecting needs it: by format, by kind, and whether of past days too."""

from __future__ import annotations

from collections.abc import Sequence

from schedulo.measures import Kind, Subject
from schedulo.model import Format
from schedulo.platforms.measure import Measure


class Catalogue:
    """The metrics of a platform, by their names."""

    def __init__(self, measure: Measure) -> None:
        self._posts = [metric for metric in measure.metrics if metric.subject is Subject.POST]
        accounts = [metric for metric in measure.metrics if metric.subject is Subject.ACCOUNT]
        self._formats: dict[Format, tuple[str, ...]] = {}
        self.post_kinds = {metric.name: metric.kind for metric in self._posts}
        self.account_kinds = {metric.name: metric.kind for metric in accounts}
        self.by_date = frozenset(metric.name for metric in accounts if metric.by_date)
        """Of the account: told of past days too."""

    @property
    def of_account(self) -> Sequence[str]:
        return tuple(self.account_kinds)

    @property
    def of_days(self) -> frozenset[str]:
        """Of the account: numbers of one day alone, which are corrected while they come in."""
        return frozenset(name for name, kind in self.account_kinds.items() if kind is Kind.DAY)

    def of_posts(self, format_: Format) -> tuple[str, ...]:
        """What posts of a format have."""
        if format_ not in self._formats:
            names = [one.name for one in self._posts if not one.formats or format_ in one.formats]
            self._formats[format_] = tuple(dict.fromkeys(names))
        return self._formats[format_]
