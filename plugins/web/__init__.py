"""Web applications that the Airflow plugin mounts. They import no Airflow and can be served alone."""
