#!/bin/sh
# Makes the passwords that are still missing, in secrets/ beside this file, and ClickHouse's users from them. What is
# there stays. For another password: write it into its file, run this again, and `docker compose up -d --force-recreate`.
#
# The folder is open to its owner only. The files in it can be read by anybody who gets there: Compose mounts them as
# they are, and the users in the containers are not you.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets
# For what a site gets from its hub: mounted as a folder, which the user in the container must be able to enter.
mkdir -p hub
chmod 0755 hub

put() { # name, content
	printf '%s' "$2" >"$1.new"
	chmod 0444 "$1.new"
	mv -f "$1.new" "$1"
}

for name in clickhouse reader grafana demo-asterisk; do
	if [ ! -s "$name" ]; then
		put "$name" "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
	fi
done

hash() { tr -d '\r\n' <"$1" | sha256sum | cut -d ' ' -f 1; }

put clickhouse-users.xml "<clickhouse>
  <profiles>
    <reader><readonly>2</readonly></reader>
  </profiles>
  <users>
    <!-- For docker compose exec clickhouse clickhouse-client, and nobody outside. -->
    <default>
      <networks replace=\"replace\"><ip>127.0.0.1</ip><ip>::1</ip></networks>
    </default>
    <!-- The sink. -->
    <trunkline>
      <password_sha256_hex>$(hash clickhouse)</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT ALL ON trunkline.*</query>
        <query>GRANT SELECT ON system.settings</query>
      </grants>
    </trunkline>
    <!-- BI tools. What they may do is in the grants; readonly 2 lets them set limits and formats. -->
    <reader>
      <password_sha256_hex>$(hash reader)</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>reader</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SELECT ON trunkline.*</query>
      </grants>
    </reader>
  </users>
</clickhouse>
"
