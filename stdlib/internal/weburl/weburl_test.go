package weburl

import "testing"

func TestParse(t *testing.T) {
	tests := []struct{ text, base, want string }{ // want "" = failure
		{"https://example.com", "", "https://example.com/"},
		{"HTTPS://EXAMPLE.com:443/a/../b/./c?x=1#f", "", "https://example.com/b/c?x=1#f"},
		{"  http://a.b/\tc\n ", "", "http://a.b/c"},
		{"http:a", "", "http://a/"},
		{"http:////a/b", "", "http://a/b"},
		{`http:\\a\b?c\d`, "", `http://a/b?c\d`},
		{"http://u:p@h:8080/", "", "http://u:p@h:8080/"},
		{"http://u@p@h/", "", "http://u%40p@h/"},
		{"http://h:80/", "", "http://h/"},
		{"http://h:0080/", "", "http://h/"},
		{"http://h:65536/", "", ""},
		{"http://h:a/", "", ""},
		{"http://", "", ""},
		{"http://u@/", "", ""},
		{"https://пример.рф/путь?ключ=да#я", "", "https://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C?%D0%BA%D0%BB%D1%8E%D1%87=%D0%B4%D0%B0#%D1%8F"},
		{"http://EXAM%50LE/", "", "http://example/"},
		{"http://a b/", "", ""},
		{"http://a%00b/", "", ""},
		{"http://a_b.c/", "", "http://a_b.c/"},
		{"http://127.1/", "", "http://127.0.0.1/"},
		{"http://0x7f.0.0.1/", "", "http://127.0.0.1/"},
		{"http://0300.168.0.1/", "", "http://192.168.0.1/"},
		{"http://2130706433/", "", "http://127.0.0.1/"},
		{"http://256.0.0.1/", "", ""},
		{"http://1.2.3.4.5/", "", ""},
		{"http://[::1]:8080/a", "", "http://[::1]:8080/a"},
		{"http://[0:0::ffff:1.2.3.4]/", "", "http://[::ffff:102:304]/"},
		{"http://[::1%eth0]/", "", ""},
		{"http://[::1/", "", ""},
		{"/x", "https://a.b/c/d?e#f", "https://a.b/x"},
		{"x?y", "https://a.b/c/d?e#f", "https://a.b/c/x?y"},
		{"../x", "https://a.b/c/d/e", "https://a.b/c/x"},
		{"../../../x", "https://a.b/c", "https://a.b/x"},
		{"..", "https://a.b/c/d/e", "https://a.b/c/"},
		{"%2E%2e/x", "https://a.b/c/d/e", "https://a.b/c/x"},
		{"", "https://a.b/c?e#f", "https://a.b/c?e"},
		{"?", "https://a.b/c?e", "https://a.b/c?"},
		{"#z", "https://a.b/c?e", "https://a.b/c?e#z"},
		{"//h/x", "https://a.b/c", "https://h/x"},
		{"https:x", "https://a.b/c/d", "https://a.b/c/x"},
		{"x", "", ""},
		{"x", "mailto:a@b", ""},
		{"#x", "mailto:a@b", "mailto:a@b#x"},
		{"mailto:a@b c", "", "mailto:a@b c"},
		{"sip:+7916@h;transport=udp?x=y", "", "sip:+7916@h;transport=udp?x=y"},
		{"tel:+79161234567", "", "tel:+79161234567"},
		{"foo://h:8/../a", "", "foo://h:8/a"},
		{"foo:/a//b", "", "foo:/a//b"},
		{"foo:/..//b", "", "foo:/.//b"},
		{"file:///etc/passwd", "", "file:///etc/passwd"},
		{"file://localhost/a", "", "file:///a"},
		{"data:text/plain,hi", "", "data:text/plain,hi"},
		{"http://a/b c'd\"?e f'g\"#h i`", "", "http://a/b%20c'd%22?e%20f%27g%22#h%20i%60"},
		{"1http://a", "", ""},
	}
	for _, tt := range tests {
		var base *URL
		if tt.base != "" {
			base, _ = Parse(tt.base, nil)
		}
		u, ok := Parse(tt.text, base)
		got := ""
		if ok {
			got = u.String()
		}
		if got != tt.want {
			t.Errorf("Parse(%q, %q) = %q, want %q", tt.text, tt.base, got, tt.want)
		}
	}
}

func TestSet(t *testing.T) {
	tests := []struct{ part, value, want string }{
		{"protocol", "http", "http://u:p@h.i:8080/a/b?c#d"},
		{"protocol", "foo:", "https://u:p@h.i:8080/a/b?c#d"},
		{"username", "я", "https://%D1%8F:p@h.i:8080/a/b?c#d"},
		{"password", "", "https://u@h.i:8080/a/b?c#d"},
		{"host", "x.y", "https://u:p@x.y:8080/a/b?c#d"},
		{"host", "x.y:1", "https://u:p@x.y:1/a/b?c#d"},
		{"host", "x.y:443", "https://u:p@x.y/a/b?c#d"},
		{"hostname", "x.y/z", "https://u:p@x.y:8080/a/b?c#d"},
		{"hostname", "x.y:1", "https://u:p@h.i:8080/a/b?c#d"},
		{"hostname", "", "https://u:p@h.i:8080/a/b?c#d"},
		{"port", "443", "https://u:p@h.i/a/b?c#d"},
		{"port", "81x", "https://u:p@h.i:81/a/b?c#d"},
		{"port", "", "https://u:p@h.i/a/b?c#d"},
		{"port", "x", "https://u:p@h.i:8080/a/b?c#d"},
		{"pathname", "x y", "https://u:p@h.i:8080/x%20y?c#d"},
		{"pathname", "", "https://u:p@h.i:8080/?c#d"},
		{"search", "?q=1", "https://u:p@h.i:8080/a/b?q=1#d"},
		{"search", "", "https://u:p@h.i:8080/a/b#d"},
		{"hash", "e f", "https://u:p@h.i:8080/a/b?c#e%20f"},
		{"hash", "", "https://u:p@h.i:8080/a/b?c"},
		{"href", "http://z", "http://z/"},
		{"nothing", "x", "https://u:p@h.i:8080/a/b?c#d"},
	}
	for _, tt := range tests {
		u, _ := Parse("https://u:p@h.i:8080/a/b?c#d", nil)
		u.Set(tt.part, tt.value)
		if got := u.String(); got != tt.want {
			t.Errorf("%s = %q: %s, want %s", tt.part, tt.value, got, tt.want)
		}
	}
}

// A URL that was parsed is written so that it reads as the same one.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"https://a.b/c?d#e", "foo:/..//b", "http://[::1]:80/", "mailto:a b", "http://1.2.3", "file://h/x", "http://u:p@h:1/%2e", "foo://h"} {
		f.Add(s, "http://base/x")
	}
	f.Fuzz(func(t *testing.T, text, base string) {
		b, _ := Parse(base, nil)
		u, ok := Parse(text, b)
		if !ok {
			return
		}
		again, ok := Parse(u.String(), nil)
		if !ok || again.String() != u.String() {
			t.Fatalf("%q became %q and then %v %q", text, u.String(), ok, again)
		}
	})
}
