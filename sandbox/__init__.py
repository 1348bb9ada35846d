"""Strict local stand-ins for Airtable, Instagram, Facebook, X and TikTok. See sandbox/core.py for the frame."""
