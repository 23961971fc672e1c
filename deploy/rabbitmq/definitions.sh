#!/bin/bash
# Prints RabbitMQ's definitions: a user for each service that speaks AMQP, with the passwords of the environment and no right that
# the service does not need. Loaded at every start of RabbitMQ (docker-compose.yml), or given to `rabbitmqctl import_definitions`.
# Permissions are patterns of names: what a user may configure (declare, delete), write (publish to, bind) and read (consume).
set -euo pipefail
: "${API_GATEWAY_RABBITMQ_PASSWORD:?}" "${EMAIL_SERVICE_RABBITMQ_PASSWORD:?}" "${PUSH_SERVICE_RABBITMQ_PASSWORD:?}"

bytes() { # HEX
    printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
}

hash_of() { # PASSWORD: a salt of four bytes, then SHA-256 of salt and password
    local salt sum
    salt=$(od -An -N4 -tx1 /dev/urandom | tr -d ' ')
    sum=$({ bytes "$salt" && printf %s "$1"; } | sha256sum | cut -c-64)
    bytes "$salt$sum" | base64 -w0
}

user() { # NAME PASSWORD [TAG]
    printf '{"name": "%s", "password_hash": "%s", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [%s]}' \
        "$1" "$(hash_of "$2")" "${3:+\"$3\"}"
}

permission() { # USER CONFIGURE WRITE READ
    printf '{"user": "%s", "vhost": "/", "configure": "%s", "write": "%s", "read": "%s"}' "$1" "$2" "$3" "$4"
}

worker() { # USER CHANNEL: its own exchange and work queues (numbered ones: QUEUE_SHARDS); it may bind the reports' queue to that exchange
    local own="$2\\\\.direct" queues="$2\\\\.(urgent\\\\.queue|queue(\\\\.[0-9]+)?)"
    permission "$1" "^$own\$" "^($own|$queues|status\\\\.queue)\$" "^($own|$queues)\$"
}

all='^(notifications\\.direct|(email|push)\\.(urgent\\.queue|queue(\\.[0-9]+)?)|status\\.queue|failed\\.queue)$'
cat <<END
{
  "vhosts": [{"name": "/"}],
  "users": [
    ${RABBITMQ_PASSWORD:+$(user notifications "$RABBITMQ_PASSWORD" administrator),}
    $(user api-gateway "$API_GATEWAY_RABBITMQ_PASSWORD"),
    $(user email-service "$EMAIL_SERVICE_RABBITMQ_PASSWORD"),
    $(user push-service "$PUSH_SERVICE_RABBITMQ_PASSWORD")
  ],
  "permissions": [
    ${RABBITMQ_PASSWORD:+$(permission notifications '.*' '.*' '.*'),}
    $(permission api-gateway "$all" "$all" "$all"),
    $(worker email-service email),
    $(worker push-service push)
  ]
}
END
