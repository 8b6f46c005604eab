package api

import (
	"net/http"
	"testing"
)

func TestInstallBitrix24(t *testing.T) {
	h := newHouse()
	public := Public(New(h.options()))
	for _, c := range []struct {
		method, target, body string
		want                 int
	}{
		{"POST", "/v1/bitrix24/install", "auth[refresh_token]=x&auth[domain]=a.ru", http.StatusOK},
		{"GET", "/v1/bitrix24/install?code=x&domain=a.ru&state=", "", http.StatusOK},
		{"GET", "/v1/bitrix24/install?code=wrong", "", http.StatusServiceUnavailable},
		{"POST", "/v1/bitrix24/install", "a=%zz", http.StatusUnprocessableEntity},
		{"PUT", "/v1/bitrix24/install", "", http.StatusNotFound},
	} {
		if w := askOf(public, c.method, c.target, c.body); w.Code != c.want {
			t.Errorf("%s %s %q: %d %s, want %d", c.method, c.target, c.body, w.Code, w.Body, c.want)
		}
	}
}
