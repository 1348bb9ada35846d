"""Posts that nobody wrote: those by which Schedulo tries itself. They are deliveries like all others, and are
told from people's by the id of their post, which no row of Airtable has."""

from __future__ import annotations

import sqlalchemy as sa

PREFIX = "self-test:"


def is_self_test(post_id: str) -> bool:
    return post_id.startswith(PREFIX)


def of_people(post_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """SQL: the post is a person's. :param post_id: a column with ids of posts"""
    return ~post_id.startswith(PREFIX)
