package scripts

import "strings"

// listed joins the first n words of a list.
func listed(words []string, n int) string {
	if len(words) > n {
		return strings.Join(words[:n], ", ") + ", …"
	}
	return strings.Join(words, ", ")
}
