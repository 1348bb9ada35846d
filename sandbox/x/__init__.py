"""A strict stand-in for X API v2."""

from sandbox.x.service import X

__all__ = ["X"]
