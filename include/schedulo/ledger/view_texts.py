"""The warehouse's views: their columns, what they mean, and their SQL. One text serves both databases.

It is written as PostgreSQL spells the tables (`analytics.posts`); `schedulo.ledger.views` makes the views.
Days are counted by `dates.day_number`, since the databases have no arithmetic of dates in common. A number
that is not known makes every number that needs it unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.ledger.warehouse import Number, Timestamp

FEWEST = 3
"""Posts behind a median that says something: with three of them, no single post can decide it."""
SETTLED_DAYS = 3
"""So many days of a post must be in its numbers before they are compared with others': most comes early."""


@dataclass(frozen=True, slots=True)
class View:
    name: str
    comment: str
    """What a row is, and what it leaves out."""
    columns: tuple[sa.Column[Any], ...]
    """In their order, each with type and comment."""
    key: tuple[str, ...]
    """What tells a row from the others."""
    sql: str


def _column(name: str, type_: Any, comment: str) -> sa.Column[Any]:
    return sa.Column(name, type_, comment=comment)


def _text(name: str, comment: str) -> sa.Column[Any]:
    return _column(name, sa.Text, comment)


def _number(name: str, comment: str) -> sa.Column[Any]:
    return _column(name, Number, comment)


def _whole(name: str, comment: str) -> sa.Column[Any]:
    return _column(name, sa.Integer, comment)


_ACCOUNT = (
    _text("account_key", "platform:account_id"),
    _text("platform", "instagram, tiktok, x or facebook"),
)


def _telling(row: str) -> str:
    """Rows that say what a number is now, or that it is withheld. Of what ended, is gone or was not read the
    last number stays."""
    return f"({row}.value IS NOT NULL OR {row}.availability IN ('too_few', 'no_permission', 'retired'))"


POST_PERFORMANCE = View(
    "post_performance",
    "One row for each post: what it is, and its newest numbers. A number is empty where the platform told "
    "none, or withholds it since. Of a post that is gone, and of a metric that ended, the last number stays.",
    (
        _text("post_key", "the delivery's id, as in Deliveries in Airtable"),
        *_ACCOUNT,
        _text("account_name", "as people know the account"),
        _text("title", "what people call the post in Airtable"),
        _text("permalink", "where it can be seen; empty: no link is known"),
        _text("format", "text, image, carousel, reel, story, ..."),
        _text("media_kind", "none, image, gif, video or mixed"),
        _whole("media_count", "pictures and videos"),
        _number("video_s", "length of its videos in seconds; empty without one"),
        _whole("text_length", "characters of the text"),
        _whole("hashtag_count", "hashtags in text and first comment"),
        _column("published_at", Timestamp, "when its platform took it; empty: not known"),
        _number("lateness_s", "seconds after it was due"),
        _column("published_on", sa.Date, "the day it went out, in the account's time zone"),
        _whole("published_weekday", "1 Monday to 7 Sunday, in the account's time zone"),
        _whole("published_hour", "0 to 23, in the account's time zone"),
        _text("state", "published, taken_down, removed, ..."),
        _column("gone_at", Timestamp, "when it was taken down or found gone; empty: it is there"),
        _number("views", "newest number"),
        _number("reach", "newest number"),
        _number("likes", "newest number"),
        _number("comments", "newest number"),
        _number("shares", "newest number"),
        _number("saves", "newest number"),
        _number("clicks", "newest number"),
        _number(
            "engagement",
            "likes, comments, shares and saves together, as far as the platform has them for such a post; "
            "empty where it has one of them and told no number of it",
        ),
        _number(
            "engagement_by_reach", "engagement in percent of reach; empty without both, and where reach is 0"
        ),
        _number(
            "engagement_by_views", "engagement in percent of views; empty without both, and where views are 0"
        ),
        _number("views_first_day", "views at the end of the day on which it went out"),
        _number("views_7_days", "views at the end of its seventh day"),
        _number(
            "engagement_7_days",
            "engagement at the end of its seventh day; empty where a part of it is missing",
        ),
        _whole("days_measured", "how many of its days its numbers cover: 1 on the day it went out"),
        _column(
            "settled",
            sa.Boolean,
            f"its numbers cover {SETTLED_DAYS} days or more, or it is a story: comparable with others",
        ),
        _column("numbers_at", Timestamp, "when the newest of its numbers was read"),
    ),
    ("post_key",),
    f"""
WITH known AS (
    SELECT
        n.post_key, n.account_key,
        max(CASE WHEN metric = 'views' THEN n.value END) AS views,
        max(CASE WHEN metric = 'reach' THEN n.value END) AS reach,
        max(CASE WHEN metric = 'likes' THEN n.value END) AS likes,
        max(CASE WHEN metric = 'comments' THEN n.value END) AS comments,
        max(CASE WHEN metric = 'shares' THEN n.value END) AS shares,
        max(CASE WHEN metric = 'saves' THEN n.value END) AS saves,
        max(CASE WHEN metric = 'clicks' THEN n.value END) AS clicks,
        -- A metric that the platform has for such posts has rows, with or without a number.
        sum(CASE WHEN engaging = 1 AND n.value IS NULL AND (
            EXISTS (SELECT 1 FROM analytics.post_metrics_daily d
                    WHERE d.post_key = n.post_key AND d.metric = n.metric)
            OR EXISTS (SELECT 1 FROM analytics.post_readings r
                       WHERE r.post_key = n.post_key AND r.metric = n.metric)
        ) THEN 1 ELSE 0 END) AS in_vain
    FROM (
        -- Its WITH keeps PostgreSQL from looking up each number as often as it is named above.
        WITH core(metric, engaging) AS (
            VALUES ('views', 0), ('reach', 0), ('clicks', 0),
                ('likes', 1), ('comments', 1), ('shares', 1), ('saves', 1)
        )
        SELECT
            p.post_key, p.account_key, c.metric, c.engaging,
            (SELECT newest.value FROM (
                SELECT * FROM (
                    SELECT d.value, d.collected_at AS read_at FROM analytics.post_metrics_daily d
                    WHERE d.post_key = p.post_key AND d.metric = c.metric AND {_telling("d")}
                    ORDER BY d.date DESC LIMIT 1
                ) AS ended
                UNION ALL
                SELECT * FROM (
                    SELECT r.value, r.read_at FROM analytics.post_readings r
                    WHERE r.post_key = p.post_key AND r.metric = c.metric AND {_telling("r")}
                    ORDER BY r.read_at DESC LIMIT 1
                ) AS young
            ) AS newest ORDER BY newest.read_at DESC LIMIT 1) AS value
        FROM analytics.posts p CROSS JOIN core c
    ) AS n
    GROUP BY n.post_key, n.account_key
), added AS (
    SELECT
        p.post_key, p.account_key, a.platform, a.name AS account_name, p.title, p.permalink, p.format,
        p.media_kind, p.media_count, p.video_s, p.text_length, p.hashtag_count, p.published_at, p.lateness_s,
        p.published_on, p.published_weekday, p.published_hour, p.state, p.gone_at,
        views, reach, likes, comments, shares, saves, clicks,
        CASE WHEN in_vain = 0 AND coalesce(likes, comments, shares, saves) IS NOT NULL
            THEN coalesce(likes, 0) + coalesce(comments, 0) + coalesce(shares, 0) + coalesce(saves, 0)
        END AS engagement,
        t.day_number AS first_day,
        (SELECT e.day_number FROM analytics.post_metrics_daily d JOIN analytics.dates e ON e.date = d.date
         WHERE d.post_key = p.post_key AND d.value IS NOT NULL ORDER BY d.date DESC LIMIT 1)
            - t.day_number + 1 AS days_measured
    FROM analytics.posts p
    JOIN analytics.accounts a ON a.account_key = p.account_key
    JOIN known k ON k.post_key = p.post_key AND k.account_key = p.account_key
    LEFT JOIN analytics.dates t ON t.date = p.published_on
)
SELECT
    post_key, account_key, platform, account_name, title, permalink, format, media_kind, media_count, video_s,
    text_length, hashtag_count, published_at, lateness_s, published_on, published_weekday, published_hour,
    state, gone_at, views, reach, likes, comments, shares, saves, clicks, engagement,
    round(100.0 * engagement / nullif(reach, 0), 2) AS engagement_by_reach,
    round(100.0 * engagement / nullif(views, 0), 2) AS engagement_by_views,
    (SELECT d.value FROM analytics.post_metrics_daily d
     WHERE d.post_key = added.post_key AND d.date = added.published_on AND d.metric = 'views')
        AS views_first_day,
    (SELECT d.value FROM analytics.dates t JOIN analytics.post_metrics_daily d ON d.date = t.date
     WHERE t.day_number = first_day + 6 AND d.post_key = added.post_key AND d.metric = 'views')
        AS views_7_days,
    (SELECT CASE WHEN count(*) = count(d.value) THEN sum(d.value) END
     FROM analytics.dates t JOIN analytics.post_metrics_daily d ON d.date = t.date
     WHERE t.day_number = first_day + 6 AND d.post_key = added.post_key
        AND d.metric IN ('likes', 'comments', 'shares', 'saves')) AS engagement_7_days,
    days_measured,
    CASE WHEN days_measured >= {SETTLED_DAYS} OR format = 'story' THEN TRUE ELSE FALSE END AS settled,
    (SELECT max(n.read_at) FROM (
        SELECT * FROM (
            SELECT d.collected_at AS read_at FROM analytics.post_metrics_daily d
            WHERE d.post_key = added.post_key AND d.value IS NOT NULL ORDER BY d.date DESC LIMIT 1
        ) AS ended
        UNION ALL
        SELECT * FROM (
            SELECT r.read_at AS read_at FROM analytics.post_readings r
            WHERE r.post_key = added.post_key AND r.value IS NOT NULL ORDER BY r.read_at DESC LIMIT 1
        ) AS young
    ) AS n) AS numbers_at
FROM added
""",
)

_SPAN = "CASE WHEN d.delta <> 0 THEN d.delta_days ELSE 1 END"


def _trend(days: int) -> str:
    """The columns of one length of windows."""
    last, before = f"last_{days}", f"before_{days}"
    return f"""
        CASE WHEN kind = 'level' THEN day_value
            WHEN sum(whole) OVER {last} = {days} AND min(day_number - span) OVER {last} >= day_number - {days}
            THEN sum(day_value) OVER {last} END AS value_{days}d,
        CASE WHEN kind = 'level' THEN max(day_value) OVER at_{days}
            WHEN sum(whole) OVER {before} = {days}
                AND min(day_number - span) OVER {before} >= day_number - {2 * days}
            THEN sum(day_value) OVER {before} END AS before_{days}d"""


def _windows(days: int) -> str:
    each = "PARTITION BY account_key, metric, basis ORDER BY day_number RANGE BETWEEN"
    return f"""
        last_{days} AS ({each} {days - 1} PRECEDING AND CURRENT ROW),
        before_{days} AS ({each} {2 * days - 1} PRECEDING AND {days} PRECEDING),
        at_{days} AS ({each} {days} PRECEDING AND {days} PRECEDING)"""


def _change(days: int) -> str:
    now, before = f"value_{days}d", f"before_{days}d"
    return (
        f"{now}, {before}, {now} - {before} AS change_{days}d, "
        f"CASE WHEN {before} > 0 THEN round(100.0 * ({now} - {before}) / {before}, 2) END AS percent_{days}d"
    )


def _trend_columns(days: int) -> tuple[sa.Column[Any], ...]:
    return (
        _number(
            f"value_{days}d",
            f"flow: of the {days} days that end with this one; empty where one of them is not complete. "
            "level: at the end of this day",
        ),
        _number(f"before_{days}d", f"flow: of the {days} days before those. level: {days} days earlier"),
        _number(f"change_{days}d", "the first minus the second; empty unless both are known"),
        _number(f"percent_{days}d", "the change in percent of the second; empty too where that is 0 or less"),
    )


ACCOUNT_TREND = View(
    "account_trend",
    "One row for each account, day, metric of the common core and basis: 7 and 28 days against those before.",
    (
        *_ACCOUNT,
        _column("date", sa.Date, "the last of the days, in the account's time zone"),
        _text(
            "metric", "a word of the common core, or engagement: likes, comments, shares and saves together"
        ),
        _text(
            "basis",
            "account: the platform's own number of the account. posts: what the posts of Schedulo gained on "
            "that day; posts that are gone, and metrics that the platform tells for some time only, count "
            "while they are told. The two are never added up",
        ),
        _text("kind", "flow: days add up (reach: each day's, or post's, people again). level: how it stands"),
        _number(
            "day_value",
            "of the day alone; empty where it is not known, as where days before it have no number",
        ),
        *_trend_columns(7),
        *_trend_columns(28),
    ),
    ("account_key", "date", "metric", "basis"),
    f"""
WITH parts(metric, part_of) AS (
    VALUES ('views', 'views'), ('reach', 'reach'), ('clicks', 'clicks'), ('likes', 'likes'),
        ('comments', 'comments'), ('shares', 'shares'), ('saves', 'saves'), ('likes', 'engagement'),
        ('comments', 'engagement'), ('shares', 'engagement'), ('saves', 'engagement')
), daily AS (
    SELECT
        p.account_key, d.date, c.part_of AS metric, 'posts' AS basis, 'flow' AS kind,
        CASE WHEN count(*) = count(d.delta) THEN sum(d.delta) END AS day_value,
        CASE WHEN count(*) = count(d.delta) THEN 1 ELSE 0 END AS whole,
        max({_SPAN}) AS span
    FROM analytics.posts p
    JOIN analytics.post_metrics_daily d ON d.post_key = p.post_key
    JOIN parts c ON c.metric = d.metric
    WHERE d.availability NOT IN ('gone', 'ended')
    GROUP BY p.account_key, d.date, c.part_of
    UNION ALL
    SELECT
        d.account_key, d.date, d.metric, 'account' AS basis,
        CASE WHEN k.kind = 'level' THEN 'level' ELSE 'flow' END AS kind,
        CASE WHEN k.kind = 'total' THEN d.delta ELSE d.value END AS day_value,
        CASE WHEN k.kind = 'total' AND d.delta IS NULL OR d.value IS NULL THEN 0 ELSE 1 END AS whole,
        CASE WHEN k.kind = 'total' THEN {_SPAN} ELSE 1 END AS span
    FROM analytics.account_metrics_daily d
    JOIN analytics.accounts a ON a.account_key = d.account_key
    JOIN analytics.metrics k ON k.platform = a.platform AND k.subject = 'account' AND k.metric = d.metric
    WHERE k.core AND k.kind <> 'rate'
), measured AS (
    SELECT
        account_key, daily.date, metric, basis, kind, CASE WHEN span = 1 THEN day_value END AS of_day,
        {_trend(7)},{_trend(28)}
    FROM daily JOIN analytics.dates t ON t.date = daily.date
    WINDOW{_windows(7)},{_windows(28)}
)
SELECT
    m.account_key, a.platform, m.date, metric, basis, kind, of_day AS day_value,
    {_change(7)},
    {_change(28)}
FROM measured m JOIN analytics.accounts a ON a.account_key = m.account_key
""",
)

# Posts that can be compared, and what is usual on their accounts. A median, since one post that everybody saw
# would make any mean.
_COMPARABLE = """
WITH settled AS (
    SELECT post_key, account_key, platform, format, media_kind, text_length, published_weekday,
        published_hour, engagement
    FROM analytics.post_performance WHERE settled AND engagement IS NOT NULL
), ranked AS (
    SELECT account_key, engagement,
        row_number() OVER (PARTITION BY account_key ORDER BY engagement) AS place,
        count(*) OVER (PARTITION BY account_key) AS posts
    FROM settled
), usual AS (
    SELECT account_key, avg(engagement) AS engagement, max(posts) AS posts
    FROM ranked WHERE place IN ((posts + 1) / 2, (posts + 2) / 2) GROUP BY account_key
)"""


def _medians(cells: str, key: str) -> str:
    """Rows of `cells` (the key, engagement, ratio) as medians of each key."""
    return f"""
), placed AS (
    SELECT {key}, engagement, ratio,
        row_number() OVER (PARTITION BY {key} ORDER BY engagement) AS place,
        count(*) OVER (PARTITION BY {key}) AS posts,
        row_number() OVER (PARTITION BY {key} ORDER BY CASE WHEN ratio IS NULL THEN 1 ELSE 0 END, ratio)
            AS ratio_place,
        count(ratio) OVER (PARTITION BY {key}) AS ratios
    FROM {cells}
), medians AS (
    SELECT {key}, max(posts) AS posts,
        CASE WHEN max(posts) >= {FEWEST} THEN round(avg(
            CASE WHEN place IN ((posts + 1) / 2, (posts + 2) / 2) THEN engagement END), 2) END AS engagement,
        CASE WHEN max(ratios) >= {FEWEST} THEN round(avg(
            CASE WHEN ratio_place IN ((ratios + 1) / 2, (ratios + 2) / 2) THEN ratio END), 2) END
            AS against_usual
    FROM placed GROUP BY {key}
)"""


_MEDIAN = f"median engagement of these posts; empty where they are fewer than {FEWEST}"

BEST_TIMES = View(
    "best_times",
    "One row for each weekday and hour at which posts went out, by account and by platform. Posts count when "
    "they are settled and their engagement is known.",
    (
        _text("scope", "account: of one account. platform: of all accounts of a platform"),
        _text("account_key", "platform:account_id; empty where the scope is platform"),
        _text("platform", "instagram, tiktok, x or facebook"),
        _whole("weekday", "1 Monday to 7 Sunday, in the account's time zone"),
        _whole("hour", "0 to 23, in the account's time zone"),
        _whole("posts", "so many posts are behind it"),
        _number("engagement", _MEDIAN),
        _number(
            "against_usual",
            "median of each post's engagement divided by the median of all posts of its account: 1 is as "
            f"usual, 2 twice that; empty where posts are fewer than {FEWEST}",
        ),
    ),
    ("scope", "account_key", "platform", "weekday", "hour"),
    f"""{_COMPARABLE}, cells AS (
    SELECT 'account' AS scope, s.account_key, s.platform, s.published_weekday AS weekday,
        s.published_hour AS hour, s.engagement, 1.0 * s.engagement / nullif(u.engagement, 0) AS ratio
    FROM settled s JOIN usual u ON u.account_key = s.account_key
    WHERE s.published_weekday IS NOT NULL
    UNION ALL
    SELECT 'platform' AS scope, NULL AS account_key, s.platform, s.published_weekday AS weekday,
        s.published_hour AS hour, s.engagement, 1.0 * s.engagement / nullif(u.engagement, 0) AS ratio
    FROM settled s JOIN usual u ON u.account_key = s.account_key
    WHERE s.published_weekday IS NOT NULL
{_medians("cells", "scope, account_key, platform, weekday, hour")}
SELECT scope, account_key, platform, weekday, hour, posts, engagement, against_usual FROM medians
""",
)

CONTENT_BREAKDOWN = View(
    "content_breakdown",
    "One row for each account and kind of content: what engagement such posts have, against what is usual on "
    "the account. A post is in several rows. Posts count when settled and of known engagement.",
    (
        *_ACCOUNT,
        _text("dimension", "format, media_kind, length (characters of the text) or hashtag"),
        _text("value", "which: reel, video, 81 to 280, coffee, ..."),
        _whole("posts", "so many posts are behind it"),
        _number("engagement", _MEDIAN),
        _number(
            "usual",
            f"median engagement of all posts of the account; empty where they are fewer than {FEWEST}",
        ),
        _number("against_usual", "the first divided by the second: 1 is as usual, 2 twice that"),
    ),
    ("account_key", "dimension", "value"),
    f"""{_COMPARABLE}, described AS (
    SELECT account_key, platform, 'format' AS dimension, format AS value, engagement FROM settled
    UNION ALL
    SELECT account_key, platform, 'media_kind' AS dimension, media_kind AS value, engagement FROM settled
    UNION ALL
    SELECT account_key, platform, 'length' AS dimension,
        CASE WHEN text_length = 0 THEN 'no text' WHEN text_length <= 80 THEN '1 to 80'
            WHEN text_length <= 280 THEN '81 to 280' WHEN text_length <= 1000 THEN '281 to 1000'
            ELSE 'more than 1000' END AS value, engagement FROM settled
    UNION ALL
    SELECT s.account_key, s.platform, 'hashtag' AS dimension, h.hashtag AS value, s.engagement
    FROM settled s JOIN analytics.post_hashtags h ON h.post_key = s.post_key
), cells AS (
    SELECT d.account_key, d.platform, d.dimension, d.value, d.engagement,
        1.0 * d.engagement / nullif(u.engagement, 0) AS ratio
    FROM described d JOIN usual u ON u.account_key = d.account_key
{_medians("cells", "account_key, platform, dimension, value")}
SELECT m.account_key, m.platform, m.dimension, m.value, m.posts, m.engagement,
    CASE WHEN u.posts >= {FEWEST} THEN u.engagement END AS usual, m.against_usual
FROM medians m JOIN usual u ON u.account_key = m.account_key
""",
)

VIEWS = (POST_PERFORMANCE, ACCOUNT_TREND, BEST_TIMES, CONTENT_BREAKDOWN)
"""In the order in which they are made: later ones stand on earlier ones."""
