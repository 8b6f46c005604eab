package config

import (
	"strings"
	"testing"
)

func TestCRM(t *testing.T) {
	const hook = "https://a.bitrix24.ru/rest/1/sesame/"
	for _, c := range []struct{ yaml, want string }{
		{`bitrix24: {webhook: "` + hook + `"}`, ""},
		{`bitrix24: {portal: a.bitrix24.ru, webhook: "` + hook + `"}`, ""},
		{`bitrix24: {portal: "http://127.0.0.1:8000", app: {client_id: local.1, client_secret: sesame}}`, ""},
		{`bitrix24: {portal: b.bitrix24.ru, webhook: "` + hook + `"}`, "the webhook is of another portal"},
		{`bitrix24: {portal: a.bitrix24.ru}`, "there are no credentials"},
		{`bitrix24: {app: {client_id: local.1, client_secret: sesame}}`, "portal is missing"},
		{`bitrix24: {webhook: "https://a.bitrix24.ru/sesame"}`, "this is no address of a webhook"},
		{`bitrix24: {portal: "https://a.bitrix24.ru/rest", app: {client_id: x, client_secret: sesame}}`, "is no address of a portal"},
		{`bitrix24: {portal: a.bitrix24.ru, app: {client_id: x}}`, "\"client_secret\" is missing"},
		{`retailcrm: {url: demo.retailcrm.ru, key: sesame}`, ""},
		{`retailcrm: {url: "https://demo.retailcrm.ru/api/v5", key: sesame}`, "is no address of an account"},
		{`retailcrm: {url: demo.retailcrm.ru}`, `"key" is missing`},
	} {
		_, err := Parse([]byte(c.yaml), FileName, Options{})
		got := ""
		if err != nil {
			got = listing(err)
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) || strings.Contains(got, "sesame") {
			t.Errorf("%s: %q, want %q", c.yaml, got, c.want)
		}
	}
	cfg, err := Parse([]byte(`bitrix24: {webhook: "`+hook+`"}`), FileName, Options{})
	if err != nil || cfg.Bitrix24.Address() != "https://a.bitrix24.ru" || cfg.Bitrix24.Rate.PerSecond != 2 || cfg.Bitrix24.Rate.Burst != 50 {
		t.Fatalf("%+v %v", cfg.Bitrix24, err)
	}
}
