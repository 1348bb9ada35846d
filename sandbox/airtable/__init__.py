"""The Airtable stand-in: plays https://api.airtable.com and https://content.airtable.com under /airtable."""
