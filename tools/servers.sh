#!/bin/sh
# Installs from the distribution the real servers and clients that the tests and
# the demo work with, where they are missing: package:program each. They are only
# ever run as private instances on free ports, in folders of their own: the
# packages' own services are kept from starting.
set -eu
wanted="
mariadb-server:mariadbd
vsftpd:vsftpd
lftp:lftp
openssh-server:sshd
openssh-client:sftp
nginx-light:nginx
curl:curl
tftp-hpa:tftp
tftpd-hpa:in.tftpd
systemd:systemd-analyze
ca-certificates:update-ca-certificates
buildah:buildah
mmdebstrap:mmdebstrap
prometheus:promtool
strace:strace
"
missing=
for it in $wanted; do
	found=
	for dir in $(echo "$PATH" | tr ':' ' ') /usr/sbin /usr/local/sbin /usr/libexec; do
		if [ -x "$dir/${it#*:}" ]; then found=1; fi
	done
	if [ -z "$found" ]; then missing="$missing ${it%:*}"; fi
done
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
	echo "missing:$missing: install them and run this again" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then as_root=sudo; fi
echo "installing$missing, once …" >&2
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
	made=1
fi
status=0
{
	$as_root apt-get -o DPkg::Lock::Timeout=300 update -qq &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
} >&2 || status=$?
if [ -n "$made" ]; then $as_root rm -f "$policy"; fi
exit "$status"
