package api

import (
	"net/http"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestBansAndLadders(t *testing.T) {
	h := newHouse()
	api := New(h.options())
	if w := askOf(api, "GET", "/v1/bans", "", "Authorization", "Bearer full-secret"); w.Code != 200 || w.Body.String() != "{\"bans\":[]}\n" && w.Body.String() != `{"bans":[]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := askOf(api, "DELETE", "/v1/bans/203.0.113.9", "", "Authorization", "Bearer full-secret"); w.Code != http.StatusNoContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	want(t, askOf(api, "DELETE", "/v1/bans/203.0.113.8", "", "Authorization", "Bearer full-secret"), http.StatusNotFound, fault.NotFound)
	w := askOf(api, "GET", "/v1/calls/one.1/sip.pcap", "", "Authorization", "Bearer full-secret")
	if w.Body.String() != "pcap of one.1" || w.Header().Get("Content-Type") != "application/vnd.tcpdump.pcap" || w.Header().Get("Content-Length") != "13" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	h.fail = fault.New(fault.NotFound, "no such call")
	want(t, askOf(api, "GET", "/v1/calls/one.1/sip.pcap", "", "Authorization", "Bearer full-secret"), http.StatusNotFound, fault.NotFound)
}
