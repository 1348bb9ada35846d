"""Posts that are tried without publishing them: in a sandbox of their own, and what is shown of it."""
