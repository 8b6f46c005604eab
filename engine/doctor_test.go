package engine

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
)

func TestWrongAdvertise(t *testing.T) {
	local := []netip.Addr{netip.MustParseAddr("10.0.0.5")}
	for _, tc := range []struct {
		advertise, listen, trunk, want string
	}{
		{"203.0.113.5", "0.0.0.0:5060", "sip.example.ru", ""}, // behind NAT
		{"10.0.0.5", "0.0.0.0:5060", "sip.example.ru", ""},
		{"10.0.0.9", "0.0.0.0:5060", "sip.example.ru", ""}, // behind two routers
		{"10.0.0.9", "198.51.100.1:5060", "sip.example.ru", "private"},
		{"0.0.0.0", "0.0.0.0:5060", "", "every address"},
		{"::", "[::]:5060", "", "every address"},
		{"127.0.0.1", "0.0.0.0:5060", "", "loopback"},
		{"127.0.0.1", "127.0.0.1:5060", "", ""},
		{"127.0.0.1", "127.0.0.1:5060", "127.0.0.9:5062", ""},
		{"127.0.0.1", "127.0.0.1:5060", "localhost", ""},
		{"127.0.0.1", "127.0.0.1:5060", "192.0.2.1", "trunk t"},
		{"2001:db8::1", "0.0.0.0:5060", "", "IPv6"},
		{"203.0.113.5", "[::]:5060", "", "IPv4"},
		{"169.254.1.1", "0.0.0.0:5060", "", "other networks"},
		{"224.0.0.1", "0.0.0.0:5060", "", "other networks"},
	} {
		cfg := &config.Config{}
		cfg.SIP.Listen = []config.Listener{{Transport: "udp", Addr: netip.MustParseAddrPort(tc.listen)}}
		if tc.trunk != "" {
			cfg.Trunks = []config.Trunk{{Name: "t", Address: tc.trunk}}
		}
		why, hint := wrongAdvertise(cfg, netip.MustParseAddr(tc.advertise), local)
		if tc.want == "" && why != "" || !strings.Contains(why, tc.want) || (why == "") != (hint == "") {
			t.Errorf("%+v: %q, hint %q", tc, why, hint)
		}
	}
}

// examine runs one look of the doctor.
func examine(t *testing.T, change func(*config.Config), look func(*doctor)) []Diagnosis {
	t.Helper()
	d := &doctor{DoctorOptions: DoctorOptions{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)}, cfg: &config.Config{}}
	change(d.cfg)
	look(d)
	return d.out
}

func TestDoctorTriesRTPPorts(t *testing.T) {
	busy, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := uint16(busy.LocalAddr().(*net.UDPAddr).Port)
	look := func(d *doctor) { d.audio(context.Background()) }
	out := examine(t, func(c *config.Config) { c.Media.Ports = config.PortRange{Min: port, Max: port} }, look)
	if len(out) != 1 || out[0].State != HealthFail || out[0].Hint == "" {
		t.Fatalf("a range in use: %+v", out)
	}
	busy.Close()
	out = examine(t, func(c *config.Config) {
		c.Media.Ports, c.SIP.Advertise = config.PortRange{Min: port, Max: port}, []config.Advertised{{Addr: netip.MustParseAddr("127.0.0.1")}}
	}, look)
	if len(out) != 2 || out[0].State != HealthOK || out[1].State != HealthOK {
		t.Fatalf("a free range: %+v", out)
	}
	// An address for documents: nobody sends it back.
	out = examine(t, func(c *config.Config) {
		c.Media.Ports, c.SIP.Advertise = config.PortRange{Min: port, Max: port}, []config.Advertised{{Addr: netip.MustParseAddr("203.0.113.5")}}
	}, look)
	if len(out) != 2 || out[1].State != HealthWarn || out[1].Hint == "" {
		t.Fatalf("behind NAT: %+v", out)
	}
}

func TestDoctorLooksTrunksUp(t *testing.T) {
	out := examine(t, func(c *config.Config) {
		c.Trunks = []config.Trunk{{Name: "a", Address: "192.0.2.1"}, {Name: "b", Address: "localhost:5090"}, {Name: "c", Address: "10.0.0.1", Proxy: "no-such-host.invalid"}}
	}, func(d *doctor) { d.trunkNames(t.Context()) })
	if len(out) != 2 || out[0].Name != "trunk b" || out[0].State != HealthOK || !strings.Contains(out[0].Detail, ":5090") || out[1].Name != "trunk c" || out[1].State != HealthFail || out[1].Hint == "" {
		t.Fatalf("%+v", out)
	}
}
