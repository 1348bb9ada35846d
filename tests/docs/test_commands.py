"""The commands that the docs tell people to type are commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.main import parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TYPED = re.compile(r"^\$ (?:docker compose exec (?:-T )?\S+ )?schedulo ((?:[^\n\\]|\\\n)*)", re.MULTILINE)


def typed() -> Iterator[tuple[str, str]]:
    """Page and command, without what comes before and after `schedulo` in a shell."""
    for page in PAGES:
        for found in TYPED.finditer(page.read_text()):
            command = found[1].replace("\\\n", " ")
            yield page.name, re.split(r" (?:[|>&]|2>)", command)[0].strip()


@pytest.mark.parametrize(("page", "command"), sorted(set(typed())))
def test_a_command_of_a_page_is_understood(page: str, command: str) -> None:
    arguments = shlex.split(command, comments=True)
    assert parser().parse_args(arguments).run


def test_there_are_commands_to_look_at() -> None:
    assert len(set(typed())) > 15
