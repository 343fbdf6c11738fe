package main

import (
	"slices"
	"strconv"
	"strings"
)

// many is a number and what there is so many of: `1 ticket`, `12 tickets`. The noun
// takes an s, or is given in both forms: `file was|files were`.
func many[N int | int64 | uint32 | uint64](n N, noun string) string {
	return strconv.FormatUint(uint64(n), 10) + " " + plural(n, noun)
}

// manyGrouped is many with the digits of the number grouped.
func manyGrouped[N int | int64 | uint32 | uint64](n N, noun string) string {
	return number(int64(n)) + " " + plural(n, noun)
}

func plural[N int | int64 | uint32 | uint64](n N, noun string) string {
	one, more, both := strings.Cut(noun, "|")
	switch {
	case n == 1:
		return one
	case both:
		return more
	}
	return one + "s"
}

// number groups the digits by three.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	var groups []string
	for len(s) > 3 {
		groups = append(groups, s[len(s)-3:])
		s = s[:len(s)-3]
	}
	groups = append(groups, s)
	slices.Reverse(groups)
	return strings.Join(groups, ",")
}
