"""Rows whose files are here already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import PostRow, post_row
from schedulo.model import Media
from schedulo.planning.files import File, Files


def attached(media: Sequence[Media], **fields: Any) -> tuple[PostRow, Files]:
    """A row with these fields and files."""
    refs = [{"id": f"att{number}", "url": "https://files.example/1"} for number in range(len(media))]
    row = post_row({"id": "rec1", "fields": {"Media": refs, **fields}}, Mapping())
    return row, Files({ref.id: File(ref, item) for ref, item in zip(row.attachments, media, strict=True)})
