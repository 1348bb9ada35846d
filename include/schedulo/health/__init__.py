"""Whether all is well: checks of what publishing needs, their history, and one document of how it stands.

A check looks and says what it found; people are told through incidents like of everything else.
"""
