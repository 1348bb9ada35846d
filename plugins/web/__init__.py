"""Web applications that the Airflow plugin mounts. But for `login` they import no Airflow."""
