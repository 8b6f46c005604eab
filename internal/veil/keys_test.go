package veil

import "testing"

func TestKeys(t *testing.T) {
	for _, c := range [][2]string{
		{"v=0\r\nm=audio 4000 RTP/SAVP 8\r\n", "v=0\r\nm=audio 4000 RTP/SAVP 8\r\n"},
		{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\na=x", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:•••\r\na=x"},
		{"A=CRYPTO:1 F INLINE: QUJD+/==|2^20|1:4;inline:Zm9v|2^20|2:4 KDR=1", "A=CRYPTO:1 F INLINE: •••|2^20|1:4;inline:•••|2^20|2:4 KDR=1"},
		{`one line: "inline:QUJD\r\na=sendrecv"`, `one line: "inline:•••\r\na=sendrecv"`},
		{"s=-\nk=base64:QUJDRA==\nt=0 0\n", "s=-\nk=base64:•••\nt=0 0\n"},
		{"k=clear:a secret", "k=clear:•••"},
	} {
		if got := Keys(c[0]); got != c[1] {
			t.Errorf("%q: %q", c[0], got)
		}
	}
}
