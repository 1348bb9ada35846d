"""The page on deadlines names a test for each cause, and the deadline that each Dag has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "deadlines.md").read_text()
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
MINUTES = {
    dag_id: int(minutes)
    for dag_ids, minutes in re.findall(r"^\| (`[^|]*`) \| (\d+) \|", PAGE, re.MULTILINE)
    for dag_id in re.findall(r"`(\w+)`", dag_ids)
}


def test_every_row_of_the_causes_names_one() -> None:
    rows = PAGE.partition("| cause |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) == len(TESTS) > 10


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda file: file.stem)
def test_the_deadline_of_every_dag_is_on_the_page(file: Path) -> None:
    text = file.read_text()
    found = re.search(r"done_within\((\d+)", text) or re.search(r"interval=timedelta\(hours=(\d+)\)", text)
    assert found is not None
    factor = 1 if "done_within(" in text else 60
    assert MINUTES.get(file.stem) == int(found[1]) * factor
