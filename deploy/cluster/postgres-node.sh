#!/bin/bash
# One PostgreSQL node of three. It begins as the primary or as a standby, follows whichever node is the primary, and takes its
# place when it is gone.
#
# Each commit waits until one standby has it (synchronous_standby_names). No node decides alone that the primary is gone: both
# standbys have to. A standby that gives the primary up stops receiving from it, for good; so when both have, the old primary can
# confirm no commit any more, whoever still reaches it, and the one of the two that received more has everything that it ever
# confirmed. That one is promoted, the other follows it. A primary that finds a later one restarts and becomes its standby.
# A single standby never promotes itself: promote it by hand (pg_ctl promote) if two machines are lost for good.
#
# NODE: this node's host name. PEERS: those of the others. FIRST: the node that makes the cluster when nobody has data.
set -euo pipefail
: "${NODE:?}" "${PEERS:?}" "${FIRST:?}" "${POSTGRES_PASSWORD:?}"
export PGDATA=${PGDATA:-/var/lib/postgresql/data} PGPASSWORD=$POSTGRES_PASSWORD PGCONNECT_TIMEOUT=2
export PGOPTIONS='-c synchronous_commit=local' # of this script's own statements, and of the image's first set-up
PATIENCE=4                                     # seconds without a word of the primary
VOTED=$PGDATA/given-up-timeline                # while it exists, only a later timeline than the one in it is followed

say() { printf '%s node: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
here() { psql -qtAX -h /var/run/postgresql -U postgres -d postgres -c "$1" 2>/dev/null; }
at() { psql -qtAX -h "$1" -U postgres -d postgres -c "$2" 2>/dev/null; } # HOST STATEMENT

TIMELINE="SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) WHERE NOT pg_is_in_recovery()"
# What a standby that has given the primary up received, in bytes. Nothing while it still receives.
RECEIVED="SELECT pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')
    WHERE pg_is_in_recovery() AND current_setting('primary_conninfo') = '' AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"

primary() { # the peer that is a primary, as "TIMELINE HOST"; of two, the later one
    local peer timeline
    for peer in $PEERS; do
        timeline=$(at "$peer" "$TIMELINE") || continue
        [ -z "$timeline" ] || echo "$timeline $peer"
    done | sort | tail -1
}

address_of() { # HOST [NAME]: the name counts; only a node that keeps what it gets may confirm commits
    printf "host=%s user=postgres password=%s application_name=%s connect_timeout=2 tcp_user_timeout=5000" \
        "$1" "$POSTGRES_PASSWORD" "${2:-$NODE}"
}

clone() { # HOST
    say "copies $1"
    find "$PGDATA" -mindepth 1 -delete
    as_postgres pg_basebackup -D "$PGDATA" -d "$(address_of "$1" copy)" -R -c fast -X stream
    echo "primary_conninfo = '$(address_of "$1")'" >>"$PGDATA/postgresql.auto.conf"
}

rejoin() { # HOST: what this node wrote as a primary and nobody confirmed is taken back
    say "rejoins $1"
    as_postgres pg_rewind -D "$PGDATA" --source-server="$(address_of "$1") dbname=postgres" || return 1
    as_postgres touch "$PGDATA/standby.signal"
}

prepare() { # the data folder, before the server starts
    local host
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    host=$(primary)
    host=${host#* }
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        if [ -z "$host" ] && [ "$NODE" = "$FIRST" ]; then return; fi # the image's entrypoint makes the databases
        until [ -n "$host" ] && clone "$host"; do
            sleep 1
            host=$(primary)
            host=${host#* }
        done
        return
    fi
    # In the file too, because pg_rewind runs the server without the arguments below.
    grep -q '^wal_log_hints' "$PGDATA/postgresql.auto.conf" || echo "wal_log_hints = on" >>"$PGDATA/postgresql.auto.conf"
    if [ -n "$host" ]; then
        [ -f "$PGDATA/standby.signal" ] || rejoin "$host" || clone "$host"
        rm -f "$VOTED"
        echo "primary_conninfo = '$(address_of "$host")'" >>"$PGDATA/postgresql.auto.conf"
    fi
}

set_primary() { # ADDRESS; empty: receives from nobody
    psql -qtAX -h /var/run/postgresql -U postgres -d postgres -v address="$1" >/dev/null <<<"ALTER SYSTEM SET primary_conninfo = :'address'"
    here "SELECT pg_reload_conf()" >/dev/null
}

as_primary() {
    local found
    if ! grep -q '^host replication postgres' "$PGDATA/pg_hba.conf"; then # the image lets nobody copy the server
        echo "host replication postgres all scram-sha-256" >>"$PGDATA/pg_hba.conf"
        here "SELECT pg_reload_conf()" >/dev/null
    fi
    found=$(primary)
    if [ -n "$found" ] && [[ ${found% *} > $(here "$TIMELINE") ]]; then
        say "${found#* } has taken this node's place: restarts as its standby"
        kill -INT 1
        sleep 10
    fi
}

as_standby() {
    local found streaming mine theirs peer
    streaming=$(here "SELECT upper(lpad(to_hex(received_tli), 8, '0')) FROM pg_stat_wal_receiver WHERE status = 'streaming'")
    if [ -n "$streaming" ]; then
        timeline=$streaming silent=0
        return
    fi
    found=$(primary)
    if [ -n "$found" ] && { [ ! -f "$VOTED" ] || [[ ${found% *} > $(cat "$VOTED") ]]; }; then
        [ "$(here "SHOW primary_conninfo")" = "$(address_of "${found#* }")" ] || say "follows ${found#* }"
        set_primary "$(address_of "${found#* }")"
        rm -f "$VOTED"
        silent=0
        return
    fi
    silent=$((silent + 1))
    [ "$silent" -ge "$PATIENCE" ] || return 0
    if [ ! -f "$VOTED" ]; then
        say "gives the primary up"
        echo "${timeline:-00000001}" >"$VOTED"
        set_primary ""
    fi
    mine=$(here "$RECEIVED")
    for peer in $PEERS; do
        theirs=$(at "$peer" "$RECEIVED") || continue
        [ -n "$mine" ] && [ -n "$theirs" ] || continue
        if [ "$mine" -gt "$theirs" ] || { [ "$mine" -eq "$theirs" ] && [[ $NODE < $peer ]]; }; then
            say "takes the primary's place"
            rm -f "$VOTED"
            here "SELECT pg_promote()" >/dev/null
            return
        fi
    done
}

watch() {
    local silent=0 timeline=
    set +e
    while sleep 1; do
        case $(here "SELECT pg_is_in_recovery()") in
        f) as_primary ;;
        t) as_standby ;;
        esac
    done
}

prepare
watch &
printf -v names '"%s", ' $NODE $PEERS
exec docker-entrypoint.sh postgres -c "synchronous_standby_names=ANY 1 (${names%, })" -c wal_log_hints=on -c wal_keep_size=1GB \
    -c wal_receiver_timeout=5s -c wal_sender_timeout=5s -c wal_receiver_status_interval=1s "$@"
