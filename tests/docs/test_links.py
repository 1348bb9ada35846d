"""Links within the documentation lead somewhere, and tests that it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def links(path: Path) -> list[str]:
    """The link targets of a page, without those that leave the repository."""
    found = LINK.findall(CODE.sub("", path.read_text(encoding="utf-8")))
    return [target for target in found if "://" not in target]


def anchors(path: Path) -> set[str]:
    """The names under which a page's headings can be reached, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in HEADING.findall(text)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_resolves(path: Path) -> None:
    broken = []
    for target in links(path):
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    seen, queue = set(), [index]
    while queue:
        page = queue.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        queue += [
            (page.parent / link.partition("#")[0]).resolve()
            for link in links(page)
            if not link.startswith("#")
        ]
    assert set(FILES[2:]) - seen == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(path: Path) -> None:
    named = set(TEST.findall(path.read_text(encoding="utf-8")))
    assert {(file, name) for file, name in named if f"def {name}(" not in (ROOT / file).read_text()} == set()
