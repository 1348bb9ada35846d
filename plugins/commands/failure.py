"""How a subcommand says, in words for the operator, that it cannot do what it was asked."""


class CommandError(Exception):
    """The message is printed as it is; it says what is wrong and who mends it, and holds no secret."""
