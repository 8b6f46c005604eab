package sdp

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestCryptoLimits: the numbers of an a=crypto line.
func TestCryptoLimits(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 30))
	line := func(tag, rest string) string { return tag + " AES_CM_128_HMAC_SHA1_80 inline:" + key + rest }
	for text, ok := range map[string]bool{
		line(strings.Repeat("1", maxCryptoTag), ""):     true,
		line(strings.Repeat("1", maxCryptoTag+1), ""):   false,
		line("1", fmt.Sprintf("|2^%d", maxLifetime)):    true,
		line("1", fmt.Sprintf("|2^%d", maxLifetime+1)):  false,
		line("1", fmt.Sprintf("|2^31|1:%d", maxMKI)):    true,
		line("1", fmt.Sprintf("|2^31|1:%d", maxMKI+1)):  false,
		line("1", fmt.Sprintf("|%d", 1<<maxLifetime)):   true,
		line("1", fmt.Sprintf("|%d", 1<<maxLifetime+1)): false,
	} {
		if _, err := parseCrypto(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
