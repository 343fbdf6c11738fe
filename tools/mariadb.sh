#!/bin/sh
# Installs MariaDB's server from the distribution if it is missing. It is only
# ever run as a private instance on a free port, in a folder of its own: the
# package's own service is kept from starting.
set -eu
for dir in $(echo "$PATH" | tr ':' ' ') /usr/sbin /usr/local/sbin /usr/libexec; do
	if [ -x "$dir/mariadbd" ]; then exit 0; fi
done
if ! command -v apt-get >/dev/null; then
	echo "mariadbd is missing: install MariaDB's server (mariadb-server) and run this again" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then as_root=sudo; fi
echo "installing mariadb-server, once …" >&2
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
	made=1
fi
status=0
{
	$as_root apt-get update -qq &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server >/dev/null
} >&2 || status=$?
if [ -n "$made" ]; then $as_root rm -f "$policy"; fi
exit "$status"
