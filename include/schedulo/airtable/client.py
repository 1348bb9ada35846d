"""What the engine asks of a base: accounts, posts that changed, commands; and reports written in batches.

Every write can be repeated: it is a PATCH by record id, or an upsert on our own key where no id is known. What
cells mean is `rows`' part, limits and repeats are `calls`'.
"""

from __future__ import annotations


