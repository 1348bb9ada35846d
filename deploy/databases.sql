-- Airflow's own database and the ledger, each with a login of its own and closed to the other's.
-- PostgreSQL's image runs this once, when its volume is empty; its environment names the files of the passwords.
\set ON_ERROR_STOP on
\set airflow_password `cat "$AIRFLOW_DB_PASSWORD_FILE"`
\set ledger_password `cat "$LEDGER_DB_PASSWORD_FILE"`

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;

CREATE ROLE schedulo LOGIN PASSWORD :'ledger_password';
CREATE DATABASE schedulo OWNER schedulo;
REVOKE ALL ON DATABASE schedulo FROM PUBLIC;
