"""Charts of a report, as SVG for a page: no script, no file beside it, colours of the page's theme.

A day that is not known is shaded and has no mark; a line stops before it. Text stays text, so that it can be
read aloud, searched and enlarged.
"""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from schedulo.analytics.figures import Series

# What matplotlib draws in one of these gets the page's colour instead; the second is for where there is none.
INK, MUTED, GRID, BLUE, SECOND, THIRD, UNKNOWN = (f"#0102{number:02x}" for number in range(7))
_THEME: Mapping[str, str] = {
    INK: "var(--ink, #1d2733)",
    MUTED: "var(--muted, #5b6775)",
    GRID: "var(--line, #d9dee5)",
    BLUE: "var(--one, #1f6feb)",
    SECOND: "var(--two, #b35900)",
    THIRD: "var(--three, #8250df)",
    UNKNOWN: "var(--unknown, #e9edf2)",
}
WIDTH_IN, HEIGHT_IN = 4.4, 2.1
TICKS = 5
"""Days that are named below a chart."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "hatch.color": GRID,
}
_NAMES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_DAY = timedelta(days=1)


def lateness_bands(bands: Sequence[tuple[str, int]]) -> str:
    """How many posts were how late."""
    with _figure(1) as (figure, (axes,)):
        labels, counts = zip(*bands, strict=True)
        bars = axes.barh(labels, counts, color=BLUE, height=0.68)
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], padding=3)
        axes.invert_yaxis()
        axes.set_xlim(0, max(counts) * 1.15 or 1)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
    return _svg(figure, "How many posts were how late", "bands")


def lateness_by_day(days: Sequence[tuple[date, Mapping[str, float]]], since: date, until: date) -> str:
    """By day: the lateness in seconds that so many of a hundred posts did not exceed."""
    with _figure(1) as (figure, (axes,)):
        names = list(days[0][1])
        styles = zip(names, (BLUE, SECOND, THIRD), ("-", "--", ":"), strict=False)
        for name, colour, dashes in styles:
            known = {day: max(values[name], 0.001) for day, values in days}
            xs, ys = _with_gaps(known, since, until)
            axes.plot(xs, ys, dashes, color=colour, marker=".", markersize=3.5, label=name)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _spoken_s(value)))
        axes.minorticks_off()
        axes.grid(axis="y")
        axes.legend(loc="upper left", ncols=len(names), frameon=False, handlelength=2.2, borderaxespad=0.1)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 3)
        _dates(axes, since, until)
    return _svg(figure, "Lateness by day", "days")


def growth(key: str, name: str, followers: Series, views: Series, since: date, until: date) -> str:
    """Followers of an account, and how often its posts were viewed, by day."""
    with _figure(2) as (figure, (above, below)):
        xs, ys = _with_gaps(followers.days, since, until)
        above.set_title("Followers")
        above.plot(xs, ys, color=BLUE, marker=".", markersize=3.5)
        below.set_title("Views of its posts, by day")
        below.bar(*_known(views.days, since, until), color=BLUE, width=0.72)
        below.set_ylim(bottom=min([0, *views.days.values()]))
        for axes, known in ((above, followers.days), (below, views.days)):
            _shade(axes, known, since, until)
            axes.grid(axis="y")
            none = not any(since <= day <= until for day in known)
            axes.yaxis.set_major_locator(NullLocator() if none else MaxNLocator(3, integer=True))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
            _dates(axes, since, until)
        above.tick_params(labelbottom=False)
    return _svg(figure, f"Followers and views of {name} by day", key)


def troubles_by_day(
    days: Mapping[date, Mapping[str, int]], names: Sequence[str], since: date, until: date
) -> str:
    """By day: how many posts something was wrong with, by what became of them; at most three kinds.

    :param days: those that are known, each with its number by name
    """
    with _figure(1) as (figure, (axes,)):
        bottom = [0.0] * len(_known(dict.fromkeys(days, 0), since, until)[0])
        for name, colour in zip(names, (SECOND, THIRD, BLUE), strict=True):
            places, counts = _known({day: counted[name] for day, counted in days.items()}, since, until)
            axes.bar(places, counts, bottom=bottom, color=colour, width=0.72, label=name)
            bottom = [below + count for below, count in zip(bottom, counts, strict=True)]
        _shade(axes, dict.fromkeys(days, 0), since, until)
        axes.grid(axis="y")
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.set_ylim(0, max([1.0, *bottom]) * 1.3)
        axes.legend(loc="upper left", ncols=len(names), frameon=False, handlelength=1, borderaxespad=0.1)
        _dates(axes, since, until)
    return _svg(figure, "Posts that something was wrong with, by day", "troubles")


def short(value: float) -> str:
    """A number in few characters, exact below a million: 34,500, 5.62M."""
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.2f}".rstrip("0").rstrip(".") + letter
    return f"{value:,.0f}"


def _spoken_s(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:.3g} min"


# --- days, as numbers from the first on -----------------------------------------------------------------


def _days(since: date, until: date) -> Iterator[tuple[int, date]]:
    return enumerate(since + number * _DAY for number in range((until - since).days + 1))


def _known(days: Mapping[date, float], since: date, until: date) -> tuple[list[float], list[float]]:
    found = [(float(place), days[day]) for place, day in _days(since, until) if day in days]
    return [place for place, _ in found], [value for _, value in found]


def _with_gaps(days: Mapping[date, float], since: date, until: date) -> tuple[list[float], list[float]]:
    every = [(float(place), days.get(day, math.nan)) for place, day in _days(since, until)]
    return [place for place, _ in every], [value for _, value in every]


def _shade(axes: Axes, days: Mapping[date, float], since: date, until: date) -> None:
    for place, day in _days(since, until):
        if day not in days:
            axes.axvspan(place - 0.5, place + 0.5, color=UNKNOWN, linewidth=0)


def _dates(axes: Axes, since: date, until: date) -> None:
    last = (until - since).days
    axes.set_xlim(-0.6, last + 0.6)
    step = max(1, math.ceil((last + 1) / TICKS))
    places = list(range(last, -1, -step))
    axes.set_xticks(places, [_spoken(since + place * _DAY) for place in places])


def _spoken(day: date) -> str:
    return f"{day.day} {day:%b}"


# --- SVG ------------------------------------------------------------------------------------------------


@contextmanager
def _figure(rows: int) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN * (1.0 if rows == 1 else 1.25)), layout="constrained")
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)
        yield figure, list(axes[:, 0])


def _svg(figure: Figure, title: str, salt: str) -> str:
    """:param salt: makes the ids within a chart: those of two charts of one page must differ"""
    file = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", text)
    text = re.sub(r"<g id=\"[^\"]+\"", "<g", text)  # they are the same in every chart, and nothing needs them
    for drawn, colour in _THEME.items():
        text = text.replace(drawn, colour)
    view = re.search(r'viewBox="[^"]+"', text)
    assert view is not None
    opening = f'<svg {_NAMES} {view[0]} role="img"><title>{html.escape(title)}</title>'
    return re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1)
