// Package suggest finds the word that a misspelt one most likely means, for
// the "did you mean" of error messages.
package suggest

import "strings"

// maxWord is the length in characters of the longest word that is compared.
const maxWord = 64

// Nearest is the word of the list with the fewest edits from word, ignoring
// case, or "" when none is near: more than a third of its letters plus one
// differ, or more than three.
func Nearest(word string, list []string) string {
	best, at := "", min(len([]rune(word))/3+2, 4)
	for _, w := range list {
		if d := Distance(strings.ToLower(word), strings.ToLower(w)); d < at {
			best, at = w, d
		}
	}
	return best
}

// Distance is the number of single-letter edits between two words, a swap of
// neighbours counting as one. Words longer than 64 letters are not compared.
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > maxWord || len(y) > maxWord {
		return max(len(x), len(y))
	}
	before, prev, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(y)]
}
