#!/bin/sh
# Runs every fuzz target of the given modules for the given time, each from its
# seeds.
set -eu
time=$1
shift
for module in "$@"; do
	grep -rlE --include='*_test.go' '^func Fuzz' "$module" 2>/dev/null | while read -r file; do
		dir=$(dirname "$file")
		sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$file" | while read -r target; do
			echo "fuzz $dir $target"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x -parallel 2 "./$dir" || exit 1
		done || exit 1
	done || exit 1
done
