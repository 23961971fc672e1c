#!/bin/bash
# Run once by the postgres image, when its data folder is new: a database and a role for each service, closed to the others.
set -euo pipefail

make_database() { # NAME PASSWORD
    psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database api_gateway "${API_GATEWAY_DB_PASSWORD:?}"
make_database user_service "${USER_SERVICE_DB_PASSWORD:?}"
make_database template_service "${TEMPLATE_SERVICE_DB_PASSWORD:?}"
make_database email_service "${EMAIL_SERVICE_DB_PASSWORD:?}"
make_database push_service "${PUSH_SERVICE_DB_PASSWORD:?}"
