"""The settings, by the class that reads them."""

from __future__ import annotations

import inspect
from dataclasses import fields

from generating.markdown import page, table
from generating.source import texts_under
from schedulo.settings import Settings


def settings_page() -> str:
    parts = [
        "Read once at the start of each process from the environment: `SCHEDULO_` and the name in capitals. "
        "Durations are seconds. A value that cannot be read, or breaks a rule, ends the process with a "
        "sentence that names it.",
        "Each may be in a file instead, as secrets should be: `SCHEDULO_VAULT_KEY_FILE` is the path of a "
        "file that holds `SCHEDULO_VAULT_KEY`.",
        "Rules: `QUIET_S` must be greater than `WINDOW_S + KERNEL_S + LATE_S + LAG_S` "
        "([why](../explanation/why-once.md#the-window)); `HORIZON_S` at least 60; `FENCE_LEAD_S` smaller "
        "than `WINDOW_S`.",
    ]
    for section, names in _settings_sections().items():
        rows = [(f"`SCHEDULO_{name.upper()}`", _default(name), _SETTING_TEXT[name]) for name in names]
        parts += [f"## {section}", table(("variable", "default", "meaning"), rows)]
    return page("Settings", "include/schedulo/settings.py", *parts)


def _settings_sections() -> dict[str, list[str]]:
    """The settings in their order, by the comments that head them in the class."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in inspect.getsource(Settings).splitlines():
        text = line.strip()
        if text.startswith("# "):
            section = text[2:].partition(":")[0]
        elif (name := text.partition(":")[0]) in {item.name for item in fields(Settings)}:
            found.setdefault(section, []).append(name)
    return found


_SETTING_TEXT = {item.name: "" for item in fields(Settings)} | texts_under(Settings)


def _default(name: str) -> str:
    value = {"home": "~/.schedulo"}.get(name, getattr(Settings(home="/"), name))
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "(empty)"
