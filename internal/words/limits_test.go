package words

import (
	"strconv"
	"strings"
	"testing"
)

func TestNumberLimits(t *testing.T) {
	for text, ok := range map[string]bool{
		strconv.Itoa(MaxNumber - 1):               true,
		strconv.Itoa(MaxNumber):                   false,
		"1." + strings.Repeat("1", MaxFraction):   true,
		"1." + strings.Repeat("1", MaxFraction+1): false,
	} {
		if _, err := Number("en-US", text, Form{}); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
