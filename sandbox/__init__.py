"""Strict local stand-ins for Airtable, Instagram, Facebook, X and TikTok; `core` is the frame they share."""
