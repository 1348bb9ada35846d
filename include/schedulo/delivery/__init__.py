"""The one place that moves a delivery from state to state.

`transitions` is the table of allowed moves, `claims` decides who works on what, `commits` holds the fence and
what became of a write. Nothing here speaks to a platform.
"""
