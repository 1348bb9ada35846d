"""Numbers: when to read them, what was read, and what people get of it. Nothing in publishing needs it."""
