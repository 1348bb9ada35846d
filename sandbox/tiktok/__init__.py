"""A strict stand-in for TikTok's Content Posting API v2."""

from sandbox.tiktok.service import TikTok

__all__ = ["TikTok"]
