"""Webhooks: subscribers get what happens to deliveries and logins, signed, at least once."""
