"""Puts all stand-ins into one world and one web application.

How the application is served is left to `python -m sandbox` and to `sandbox.running`.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.airtable.service import Airtable
from sandbox.core import Frame, Service, World
from sandbox.media import Media
from sandbox.meta.facebook import Facebook
from sandbox.meta.instagram import Instagram
from sandbox.meta.rupload import Rupload
from sandbox.tiktok import TikTok
from sandbox.x import X

try:
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop

__all__ = ["SERVER_OPTIONS", "build", "new_event_loop"]

SERVER_OPTIONS: dict[str, Any] = {"access_log": None, "max_line_size": 65_536, "max_field_size": 65_536}
"""aiohttp refuses request lines over 8,190 bytes by itself; Airtable takes URLs of 16,000 characters, and the
stand-in, not the server, must refuse longer ones."""

SERVICES: tuple[type[Service], ...] = (Airtable, Instagram, Facebook, Rupload, X, TikTok, Media)


def build() -> tuple[World, web.Application]:
    """A fresh world with every service in it, and the application that serves it."""
    world = World()
    for service in SERVICES:
        world.add(service(world))
    return world, Frame(world).app()
