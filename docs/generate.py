"""Writes the reference pages that are facts of the code: `python docs/generate.py`.

What a page says comes from the tables that the program itself works by, so it cannot say anything else. Each
page is a function of a module in `generating`.
"""

from __future__ import annotations

from pathlib import Path

from generating.base import base_schema
from generating.dictionary import dictionary_page
from generating.errors import errors_page
from generating.formats import formats_page
from generating.incidents import incidents_page
from generating.roles import roles_page
from generating.scale import scale_page
from generating.settings import settings_page
from generating.states import states_page

REFERENCE = Path(__file__).resolve().parent / "reference"

PAGES = {
    "base-schema.md": base_schema,
    "data-dictionary.md": dictionary_page,
    "settings.md": settings_page,
    "roles.md": roles_page,
    "incidents.md": incidents_page,
    "states.md": states_page,
    "errors.md": errors_page,
    "formats.md": formats_page,
    "../explanation/scale.md": scale_page,
}


def main() -> None:
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
