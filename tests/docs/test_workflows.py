"""Every workflow has a page of one form for its operator; the handbook leaves none out, and no message."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from schedulo.delivery.incidents import RULES

ROOT = Path(__file__).resolve().parents[2]
DAGS = sorted((ROOT / "dags").glob("*.py"))
PAGES = sorted((ROOT / "docs" / "workflows").glob("*.md"))
NAMED = re.compile(r"docs/workflows/[\w-]+\.md")
ROWS = ["starts", "reads", "writes", "told when it fails", "clear", "pause"]


def pages_of(dag: Path) -> list[Path]:
    """The pages that a Dag's text in Airflow names."""
    text = ast.get_docstring(ast.parse(dag.read_text(encoding="utf-8"))) or ""
    return sorted({ROOT / name for name in NAMED.findall(text)})


@pytest.mark.parametrize("dag", DAGS, ids=lambda dag: dag.stem)
def test_a_dag_names_its_page_and_the_page_is_about_it(dag: Path) -> None:
    [page] = pages_of(dag)
    assert re.search(rf"(\*\*|`){dag.stem}(\*\*|`)", page.read_text(encoding="utf-8").partition("\n## ")[0])


@pytest.mark.parametrize("dag", DAGS, ids=lambda dag: dag.stem)
def test_the_handbook_lists_every_dag_with_its_page(dag: Path) -> None:
    handbook = (ROOT / "docs" / "handbook.md").read_text(encoding="utf-8")
    [page] = pages_of(dag)
    assert f"[{dag.stem}](workflows/{page.name})" in handbook


def test_every_page_is_of_a_dag_that_is_there() -> None:
    assert set(PAGES) == {page for dag in DAGS for page in pages_of(dag)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_what_an_operator_asks_first(page: Path) -> None:
    top = page.read_text(encoding="utf-8").partition("\n## ")[0]
    rows = re.findall(r"^\| ([\w ]+) \| .+ \|$", top, re.MULTILINE)
    assert rows == ROWS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_can_go_wrong(page: Path) -> None:
    assert "\n## What can go wrong\n" in page.read_text(encoding="utf-8")


def test_the_handbook_says_of_every_message_what_to_do_first() -> None:
    handbook = (ROOT / "docs" / "handbook.md").read_text(encoding="utf-8")
    assert [rule.title for rule in RULES.values() if f"*{rule.title}*" not in handbook] == []
