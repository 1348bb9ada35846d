"""The ledger: the database that remembers what was planned, begun, sent and answered."""
