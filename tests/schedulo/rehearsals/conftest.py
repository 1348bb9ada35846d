"""A base that people work in, as where posts are planned."""

from __future__ import annotations

from tests.schedulo.planning.conftest import office

__all__ = ["office"]
