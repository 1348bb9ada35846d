"""Chaos: a whole installation publishes while its processes are killed and every service misbehaves.

`python -m chaos` runs it and says whether each post went out once. What it proves and how it counts is in
docs/how-to/run-chaos.md.
"""
