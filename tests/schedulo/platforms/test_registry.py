"""The registry: each platform has its conversation."""

from __future__ import annotations

from schedulo.model import Platform
from schedulo.platforms import CONVERSATIONS


def test_every_platform_has_its_own_conversation():
    assert {platform: side.platform for platform, side in CONVERSATIONS.items()} == {p: p for p in Platform}
