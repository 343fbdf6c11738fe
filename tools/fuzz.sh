#!/bin/sh
# Runs every fuzz target of the given modules for the given time, each from its
# seeds.
set -eu
time=$1
shift

# Go's fuzzer fails now and then when the time is over while a worker is busy: it
# says so, and names no input. That is tried again; what it finds is not.
run() {
	for try in 1 2 3; do
		out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 20x -parallel 2 "./$1" 2>&1) && return 0
		case $out in
		*"Failing input"*) break ;;
		*"context deadline exceeded"*) ;;
		*) break ;;
		esac
	done
	echo "$out"
	return 1
}

for module in "$@"; do
	grep -rlE --include='*_test.go' '^func Fuzz' "$module" 2>/dev/null | while read -r file; do
		dir=$(dirname "$file")
		sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$file" | while read -r target; do
			echo "fuzz $dir $target"
			run "$dir" "$target" || exit 1
		done || exit 1
	done || exit 1
done
