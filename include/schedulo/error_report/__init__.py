"""The day's report of errors: what failed, why, how that compares, what is to be done."""
