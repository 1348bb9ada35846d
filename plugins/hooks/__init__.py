"""Connections turned into clients: one hook a service. The forms are described in `provider_info`."""
