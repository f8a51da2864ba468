package config

import "strings"

// Nearest gives the candidate with the smallest edit distance to name, and
// whether it is near enough to be what was meant.
func Nearest(name string, candidates []string) (string, bool) {
	const longest = 200
	if len(name) > longest {
		return "", false
	}
	best, bestDistance := "", -1
	for _, c := range candidates {
		if len(c) > longest {
			continue
		}
		d := editDistance(strings.ToLower(name), strings.ToLower(c))
		if bestDistance < 0 || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	limit := max(1, len(name)/3)
	return best, bestDistance >= 0 && bestDistance <= limit
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbouring bytes (optimal string alignment).
func editDistance(a, b string) int {
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// didYouMean is the hint that names the nearest candidate, or else all of a few.
func didYouMean(name string, candidates []string) string {
	if near, ok := Nearest(name, candidates); ok {
		return "did you mean \"" + near + "\"?"
	}
	const few = 12
	if len(candidates) > 0 && len(candidates) <= few {
		return "known: " + strings.Join(candidates, ", ")
	}
	return ""
}
