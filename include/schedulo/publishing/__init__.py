"""Publishing in one process: sessions that prepare, the sender that fires, the desk that keeps the books."""
