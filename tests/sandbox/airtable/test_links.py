"""Whatever is written and deleted, both sides of a link say the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.airtable.attachments import Files
from sandbox.airtable.model import Base, Table
from sandbox.airtable.records import Writer, delete
from sandbox.airtable.schema import create_field, create_table
from sandbox.core import World

NAMES = "abcd"

writes = st.tuples(
    st.sampled_from(["Left", "Right"]), st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True)
)
deletions = st.tuples(st.sampled_from(["Left", "Right"]), st.sampled_from(NAMES), st.none())


def linked_base() -> tuple[Base, Table, Table]:
    """Two tables of four records each, joined by one link."""
    base, name = Base("b"), {"name": "Name", "type": "singleLineText"}
    left, right = (create_table(base, {"name": table, "fields": [name]}) for table in ("Left", "Right"))
    create_field(
        base, left, {"name": "Right", "type": "multipleRecordLinks", "options": {"linkedTableId": right.id}}
    )
    for table in (left, right):
        writer = Writer(base, table, Files(World()), now_ms=1)
        for letter in NAMES:
            writer.create({"Name": letter})
        writer.apply()
    return base, left, right


def edges(table: Table, link: str) -> set[tuple[str, str]]:
    key = table.ids[link]
    return {(r.id, other) for r in table.records.values() for other in r.cells.get(key, ())}


@given(st.lists(st.one_of(writes, deletions), max_size=30))
def test_both_sides_of_a_link_agree_after_any_writes_and_deletions(
    steps: list[tuple[str, str, list[str] | None]],
) -> None:
    base, left, right = linked_base()
    ids = {t.name: {r.cells[t.primary.id]: r.id for r in t.records.values()} for t in (left, right)}
    for side, letter, others in steps:
        table, other = (left, right) if side == "Left" else (right, left)
        record = table.records.get(ids[side][letter])
        if record is None:
            continue
        if others is None:
            delete(base, table, [record], now_ms=2)
            continue
        wanted = [r for o in others if (r := ids[other.name][o]) in other.records]
        writer = Writer(base, table, Files(World()), now_ms=2)
        writer.update(record, {other.name: wanted}, replace=False)
        writer.apply()
        assert record.cells.get(table.ids[other.name], []) == wanted
    assert edges(left, "Right") == {(a, b) for b, a in edges(right, "Left")}
    assert all(a in left.records and b in right.records for a, b in edges(left, "Right"))
