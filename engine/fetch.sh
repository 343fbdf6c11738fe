#!/bin/sh
# Fetches the ClickHouse engine (libchdb) from npm, once, into the cache folder, and prints its path.
# It may be run again, and by several at once. It needs npm; where there is none, run it elsewhere and copy the file.
set -eu

version=26.7.3-stable.1
package=@chdb/lib-linux-x64-gnu
integrity=sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==

dir=${TRUNKLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trunkline}/engine/$version
lib=$dir/libchdb.so

if [ ! -f "$lib" ]; then
	if [ "$(uname -s) $(uname -m)" != "Linux x86_64" ]; then
		echo "the ClickHouse engine is for Linux on x86_64 only" >&2
		exit 1
	fi
	mkdir -p "$dir"
	tmp=$(mktemp -d "$dir/fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM

	echo "fetching the ClickHouse engine $version (178 MB, once) ..." >&2
	(cd "$tmp" && npm pack --silent "$package@$version" >/dev/null)
	archive=$(echo "$tmp"/*.tgz)

	sum=$(node -e 'const hash = require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1]));
		console.log("sha512-" + hash.digest("base64"))' "$archive")
	if [ "$sum" != "$integrity" ]; then
		echo "the ClickHouse engine that npm gave is not the one expected: $sum instead of $integrity" >&2
		exit 1
	fi
	tar -xzf "$archive" -C "$tmp" package/libchdb.so
	chmod 0644 "$tmp/package/libchdb.so"
	mv -f "$tmp/package/libchdb.so" "$lib"
	echo "the ClickHouse engine is at $lib" >&2
fi
echo "$lib"
