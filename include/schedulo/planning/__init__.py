"""From rows in Airtable to deliveries in the ledger, and back: planning, the tick, reports."""
