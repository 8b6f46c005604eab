package bench

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMetricsLimit(t *testing.T) {
	const line = "loopstart_rtp_packets_received_total 7\n"
	for pad, ok := range map[int]bool{maxMetrics - len(line): true, maxMetrics: false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("#", pad-1) + "\n" + line))
		}))
		g := &generator{}
		g.Web = strings.TrimPrefix(s.URL, "http://")
		if n, err := g.received(); (err == nil && n == 7) != ok {
			t.Errorf("behind %d bytes: %d, %v", pad, n, err)
		}
		s.Close()
	}
}
