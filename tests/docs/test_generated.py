"""The reference pages say what the code says."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))
PAGES = importlib.import_module("generate").PAGES
CONTROL = (ROOT / "docs" / "reference" / "sandbox-control.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), f"run python docs/generate.py: {name} is out of date"


def switches() -> set[str]:
    """The names that the sandbox asks for with `World.switch`, as far as they are written out."""
    return {
        node.args[0].value
        for path in (ROOT / "sandbox").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "switch"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_switch_of_the_sandbox_is_in_its_page() -> None:
    assert switches()
    assert [name for name in sorted(switches()) if f"`{name}`" not in CONTROL] == []


def test_every_fault_mode_of_the_sandbox_is_in_its_page() -> None:
    from sandbox.core import FRAME_MODES, SERVICE_MODES

    assert [mode for mode in FRAME_MODES + SERVICE_MODES if f"`{mode}" not in CONTROL] == []


def test_every_setting_has_a_line() -> None:
    from dataclasses import fields

    from schedulo.settings import Settings

    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert [item.name for item in fields(Settings) if f"`SCHEDULO_{item.name.upper()}`" not in page] == []
