"""The reference pages that are facts of the code, one module a subject."""
