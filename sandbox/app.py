"""Puts all stand-ins into one world and one web application.

How the application is served is left to `python -m sandbox` and to `sandbox.running`.
"""

from __future__ import annotations

import importlib

from aiohttp import web

from sandbox.core import Frame, World

try:
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop

__all__ = ["SERVER_OPTIONS", "build", "new_event_loop"]

# aiohttp refuses request lines over 8,190 bytes by itself; Airtable takes URLs of 16,000 characters, and
# the stand-in, not the server, must refuse longer ones.
SERVER_OPTIONS = {"access_log": None, "max_line_size": 65_536, "max_field_size": 65_536}

SERVICES = (
    ("sandbox.airtable.service", "Airtable"),
    ("sandbox.meta.instagram", "Instagram"),
    ("sandbox.meta.facebook", "Facebook"),
    ("sandbox.meta.rupload", "Rupload"),
    ("sandbox.x", "X"),
    ("sandbox.tiktok", "TikTok"),
    ("sandbox.media", "Media"),
)


def build() -> tuple[World, web.Application]:
    """A fresh world with every service in it, and the application that serves it."""
    world = World()
    for module, name in SERVICES:
        try:
            service = getattr(importlib.import_module(module), name)
        except ImportError:
            continue
        world.add(service(world))
    return world, Frame(world).app()
