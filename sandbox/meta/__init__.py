"""Strict stand-ins for Meta's publishing APIs: Instagram (both logins), Facebook Pages, and byte uploads."""
