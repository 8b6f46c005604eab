package api

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
)

// Commands of a script's deployment.
const (
	CommandRollback = "rollback" // Version, or the one before
	CommandCanary   = "canary"   // Version or the newest; Percent or Calls
	CommandPromote  = "promote"
	CommandDrop     = "drop"
	CommandUnpin    = "unpin"
)

// Rollout is what a command of a deployment may say.
type Rollout struct {
	Version string `json:"version"`
	Percent int    `json:"percent"`
	Calls   int    `json:"calls"`
}

// fieldsOf are the fields that a command takes.
var fieldsOf = map[string]string{CommandRollback: "version", CommandCanary: "version, percent, calls"}

func (s *server) versions(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("script")
	if err := mayScript(r, name); err != nil {
		return err
	}
	list, err := s.Deployments.Versions(name)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"versions": list})
}

// rollout is the handler of one command.
func rollout(command string) func(*server, http.ResponseWriter, *http.Request) error {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("script")
		if err := mayScript(r, name); err != nil {
			return err
		}
		o, err := readRollout(command, r)
		if err != nil {
			return err
		}
		answer, err := s.Deployments.Rollout(name, command, o)
		if err != nil {
			return err
		}
		return write(w, http.StatusOK, answer)
	}
}

func readRollout(command string, r *http.Request) (o Rollout, err error) {
	raw, err := object(r)
	if err != nil {
		return o, err
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return o, fault.New(fault.Invalid, "body: %w", err)
	}
	for name, value := range given {
		var into any
		switch takes := fieldsOf[command]; {
		case name == "version" && takes != "":
			into = &o.Version
		case name == "percent" && command == CommandCanary:
			into = &o.Percent
		case name == "calls" && command == CommandCanary:
			into = &o.Calls
		default:
			return o, fault.New(fault.Invalid, "unknown field %q", name).WithHint("%s takes %s", command, orNone(takes))
		}
		if json.Unmarshal(value, into) != nil && json.Unmarshal(unquoted(value), into) != nil {
			return o, fault.New(fault.Invalid, "%s: %s is not what it takes", name, value)
		}
	}
	return o, nil
}

// unquoted is a number that a form has made a text.
func unquoted(value json.RawMessage) []byte {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return value
	}
	return []byte(text)
}

// upload replaces a script.
func (s *server) upload(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("script")
	if err := mayScript(r, name); err != nil {
		return err
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.New(fault.Network, "body: %w", err)
	}
	files, err := unpack(name, r.Header.Get("Content-Type"), raw, s.MaxUpload)
	if err != nil {
		return err
	}
	answer, err := s.Deployments.Upload(r.Context(), name, files)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, answer)
}

func (s *server) removeScript(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("script")
	if err := mayScript(r, name); err != nil {
		return err
	}
	if err := s.Deployments.Remove(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
