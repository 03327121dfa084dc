#!/bin/sh
# Starts coturn with turnserver.conf and what differs from host to host. Further arguments are options of turnserver.
#
#   TURN_SECRET        as the service has it, at least 16 characters
#   TURN_REALM         name of this server; clients see it
#   ANNOUNCED_ADDRESS  addresses of the media ports, separated by commas, as clients get them in the answer
#   TURN_CERT          certificates (PEM) for TLS, and TURN_KEY, their key; both empty for none
set -eu

fail() {
	echo "coturn is not started: $1" >&2
	exit 1
}

[ "${#TURN_SECRET}" -ge 16 ] || fail 'TURN_SECRET has to have at least 16 characters'
[ -n "$TURN_REALM" ] || fail 'TURN_REALM is empty'
[ -n "$ANNOUNCED_ADDRESS" ] || fail 'ANNOUNCED_ADDRESS is empty: a relay would lead nowhere'

# Not on the command line, where every user of the machine could read the secret.
umask 077
all=$(mktemp)
{
	cat "$(dirname "$0")/turnserver.conf"
	echo "static-auth-secret=$TURN_SECRET"
	echo "realm=$TURN_REALM"
	echo "$ANNOUNCED_ADDRESS" | tr ', ' '\n\n' | sed -n 's/..*/allowed-peer-ip=&/p'
	if [ -n "${TURN_CERT:-}" ]; then
		[ -r "$TURN_CERT" ] && [ -r "$TURN_KEY" ] || fail "$TURN_CERT and $TURN_KEY have to be readable"
		echo "cert=$TURN_CERT"
		echo "pkey=$TURN_KEY"
	else
		echo no-tls
	fi
} >"$all"
# No file with its process id, which belongs to whoever started it.
exec turnserver -c "$all" --pidfile= "$@"
