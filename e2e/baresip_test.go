package e2e

import (
	"fmt"

	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// softphone is a baresip process that says a tone and plays nothing back.
type softphone struct {
	cmd *exec.Cmd
	log *logBuffer
}

// startBaresip runs baresip on ip with one account. It must be 127.0.0.1: its
// RTP socket is bound to no address, so that packets to 127.0.0.1 come from
// there whatever its SDP says, and are rightly not believed; what it says is a sine of
// that frequency. It answers by itself when the account says so. More are lines
// of its configuration.
func startBaresip(t testing.TB, ip, account string, hz int, more ...string) *softphone {
	t.Helper()
	path := need(t, "baresip")
	dir := t.TempDir()
	port := freePort(t, ip)
	config := fmt.Sprintf(`poll_method epoll
sip_listen %s
audio_player aubridge,nil
audio_source ausine,%d
audio_alert aubridge,nil
ausrc_srate 48000
ausrc_channels 2
audio_level no
call_local_timeout 120
call_max_calls 4
rtp_tos 184
rtp_ports %s
rtcp_mux no
net_interface %s
module_path %s
module g711.so
module ausine.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
%s
`, port, hz, freeRange(), ip, baresipModules(t), strings.Join(more, "\n"))
	for name, text := range map[string]string{"config": config, "accounts": account + "\n", "contacts": "", "uuid": "1b5d0f0e-0000-4000-8000-000000000001"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &softphone{log: &logBuffer{}}
	s.cmd = exec.Command(path, "-f", dir)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(over) }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-over:
		case <-time.After(3 * time.Second):
			_ = s.cmd.Process.Kill()
			<-over
		}
		if t.Failed() {
			t.Logf("baresip:\n%s", tail(s.log.String(), 40))
		}
	})
	return s
}

// baresipModules is where the distribution puts baresip's modules.
func baresipModules(t testing.TB) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		found, _ := filepath.Glob(filepath.Join(pattern, "g711.so"))
		if len(found) > 0 {
			return strings.TrimSuffix(found[0], "/g711.so")
		}
	}
	lacking(t, "baresip has no modules")
	return ""
}
