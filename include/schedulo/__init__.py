"""Schedulo's engine: plans, publishes and records posts. Plain Python; imports no Airflow."""
