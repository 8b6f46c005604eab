package api

import "net/http"

// backup sends the whole state. A failure after the first byte ends the
// connection, so that nobody takes half a backup for a whole one.
func (s *server) backup(w http.ResponseWriter, r *http.Request) error {
	out := &late{w: w, kind: "application/gzip", name: "loopstart.backup"}
	err := s.Backups.Backup(out)
	if err == nil || !out.begun {
		return err
	}
	s.Log.Error("api: backup", "err", err)
	panic(http.ErrAbortHandler)
}
