-- Airflow's own database and the ledger, each with a login of its own and closed to the other's.
-- PostgreSQL's image runs this once, when its volume is empty; the passwords come from its environment.
\set ON_ERROR_STOP on
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv ledger_password LEDGER_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;

CREATE ROLE schedulo LOGIN PASSWORD :'ledger_password';
CREATE DATABASE schedulo OWNER schedulo;
REVOKE ALL ON DATABASE schedulo FROM PUBLIC;
