"""What grows for ever and need not: rows of the ledger (`ledger_rows`), files of media (`files`), and one
round over all of it (`rounds`)."""
