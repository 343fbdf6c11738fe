// Package nearest finds what somebody meant who mistyped a name.
package nearest

import "strings"

// Of is the candidate that is most like the text: the one with the fewest edits,
// if those are few, else one that holds it or is held by it. Empty when none is
// near.
func Of(text string, candidates []string) string {
	text = strings.ToLower(text)
	best, fewest := "", max(2, len(text)/3)+1
	for _, c := range candidates {
		if d := distance(text, c); d < fewest {
			best, fewest = c, d
		}
	}
	if best == "" && len(text) >= 3 {
		for _, c := range candidates {
			if strings.Contains(c, text) || strings.Contains(text, c) {
				return c
			}
		}
	}
	return best
}

// distance counts the edits (Levenshtein) between two short texts.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
