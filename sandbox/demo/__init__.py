"""The demo: real posts, planned in Airtable, go out through Airflow to stand-ins of the platforms."""
