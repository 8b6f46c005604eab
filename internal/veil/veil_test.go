package veil

import "testing"

func TestHide(t *testing.T) {
	w := New([]string{
		"sesame", "sesame-open", "abc", "1234", "123456", "https://crm.example.ru/rest/1/token/", "https://plain.example.ru/", "https://a:b@c.example.ru/x", "ключ-7", "",
	})
	for _, c := range [][2]string{
		{"nothing here", "nothing here"},
		{"say sesame-open, say sesame.", "say •••, say •••."},
		{"abc 1234 stay, 123456 goes", "abc 1234 stay, ••• goes"},
		{"POST https://crm.example.ru/rest/1/token/lead.add 200", "POST https://crm.example.ru/•••lead.add 200"},
		{"GET https://plain.example.ru/x", "GET https://plain.example.ru/x"},
		{"GET https://a:b@c.example.ru/x", "GET •••"},
		{"это ключ-7!", "это •••!"},
		{"", ""},
	} {
		if got := w.Hide(c[0]); got != c[1] {
			t.Errorf("%q: got %q, want %q", c[0], got, c[1])
		}
	}
	var none Words
	if got := none.Hide("sesame"); got != "sesame" {
		t.Errorf("the zero value made it %q", got)
	}
}
