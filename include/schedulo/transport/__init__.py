"""Sends requests. `calls` for what may be repeated; `commits` is the only way out for what may not."""
