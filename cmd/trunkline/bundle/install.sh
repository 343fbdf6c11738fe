#!/bin/sh
# Installs this site's ingest services, as root; again for a new version or new credentials. The programs ingest-tcp,
# ingest-poll and trunkline of bin/cross/linux-* stand beside it, or in /usr/local/bin already. Configuration that is there stays.
set -eu
cd "$(dirname "$0")"
for program in ingest-tcp ingest-poll trunkline; do
	if [ -e "$program" ]; then install -m 755 "$program" /usr/local/bin/; fi
done
install -m 644 -D trunkline.sysusers /usr/lib/sysusers.d/trunkline.conf
systemd-sysusers
install -m 644 trunkline-ingest-tcp.service trunkline-ingest-poll.service /etc/systemd/system/
install -d -m 755 /etc/trunkline
install -d -m 700 /etc/trunkline/secrets
# Read at each connect: new credentials count without a restart.
install -m 640 -g trunkline site.creds /etc/trunkline/site.creds.new
mv -f /etc/trunkline/site.creds.new /etc/trunkline/site.creds
if [ -e ca.crt ]; then install -m 644 ca.crt /etc/trunkline/; fi
if [ ! -e /etc/trunkline/trunkline.yaml ]; then install -m 644 trunkline.yaml /etc/trunkline/; fi
systemctl daemon-reload
systemctl enable --now trunkline-ingest-tcp trunkline-ingest-poll
