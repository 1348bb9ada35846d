"""`make bench`: how late, how often, at what cost. Figures are recorded here and asserted nowhere."""
