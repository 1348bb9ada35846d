"""The command `schedulo`: one module a subject, wired up in `main`."""
