#!/bin/sh
# apt-get that waits, five minutes at most, while another process has one of its locks. Its own DPkg::Lock::Timeout is for
# dpkg's locks only: `update` takes the lists' one too, and gives up at once.
set -u
deadline=$(($(date +%s) + ${APT_WAIT_SECONDS:-300}))
while :; do
    said=$(LC_ALL=C apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null)
    status=$?
    [ "$status" -eq 0 ] && exit 0
    case $said in
        *"Could not get lock"* | *"Unable to lock"* | *"Unable to acquire"*) ;;
        *) break ;;
    esac
    [ "$(date +%s)" -lt "$deadline" ] || break
    sleep 1
done
printf '%s\n' "$said" >&2
exit "$status"
