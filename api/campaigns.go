package api

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Commands of a campaign, as in POST /v1/campaigns/{id}/…
const (
	CampaignStart  = "start"
	CampaignPause  = "pause"
	CampaignResume = "resume"
	CampaignCancel = "cancel"
)

// Formats of contacts and reports.
const (
	FormatJSON   = "json"
	FormatNDJSON = "ndjson"
	FormatCSV    = "csv"
)

// createCampaign is POST /v1/campaigns: 201 for a new one, 200 for one that the
// same request has made.
func (s *server) createCampaign(w http.ResponseWriter, r *http.Request) error {
	o, err := ordered(r)
	if err != nil {
		return err
	}
	answer, created, err := s.Campaigns.CreateCampaign(o.body, o.key)
	if err != nil {
		return err
	}
	if created {
		return write(w, http.StatusCreated, answer)
	}
	return write(w, http.StatusOK, answer)
}

func (s *server) listCampaigns(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	q := CampaignQuery{State: r.URL.Query().Get("state"), Limit: limit, Cursor: cursor, May: token(r).sees}
	list, next, err := s.Campaigns.ListCampaigns(q)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"campaigns": list, "next": next})
}

// mayCampaign refuses a campaign whose script the token does not cover, with
// the answer for one that does not exist.
func (s *server) mayCampaign(r *http.Request) (id string, err error) {
	id = r.PathValue("id")
	t := token(r)
	if len(t.Scripts) == 0 {
		return id, nil
	}
	script, err := s.Campaigns.CampaignScript(id)
	if err == nil && !t.sees(script) {
		err = fault.New(fault.NotFound, "no campaign %q", id)
	}
	return id, err
}

// ofCampaign makes the handler that answers with what do gives for a campaign
// the token covers.
func ofCampaign(do func(s *server, r *http.Request, id string) (any, error)) func(*server, http.ResponseWriter, *http.Request) error {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		id, err := s.mayCampaign(r)
		if err != nil {
			return err
		}
		v, err := do(s, r, id)
		if err != nil {
			return err
		}
		return write(w, http.StatusOK, v)
	}
}

// withBody is ofCampaign for a request that has an object as its body.
func withBody(do func(s *server, r *http.Request, id string, body json.RawMessage) (any, error)) func(*server, http.ResponseWriter, *http.Request) error {
	return ofCampaign(func(s *server, r *http.Request, id string) (any, error) {
		body, err := object(r)
		if err != nil {
			return nil, err
		}
		return do(s, r, id, body)
	})
}

func (s *server) showCampaign(_ *http.Request, id string) (any, error) {
	return s.Campaigns.ShowCampaign(id)
}

func (s *server) patchCampaign(_ *http.Request, id string, body json.RawMessage) (any, error) {
	return s.Campaigns.PatchCampaign(id, body)
}

func (s *server) rehearse(r *http.Request, id string) (any, error) {
	return s.Campaigns.Rehearse(r.Context(), id)
}

func (s *server) showContact(r *http.Request, id string) (any, error) {
	return s.Campaigns.ShowContact(id, contactKey(r))
}

func (s *server) patchContact(r *http.Request, id string, body json.RawMessage) (any, error) {
	return s.Campaigns.PatchContact(id, contactKey(r), body)
}

// contactKey is the contact that the path names: by its key or its phone.
func contactKey(r *http.Request) string { return plus(r.PathValue("key")) }

// commandCampaign makes the handler of one command.
func commandCampaign(command string) func(*server, http.ResponseWriter, *http.Request) error {
	return withBody(func(s *server, _ *http.Request, id string, body json.RawMessage) (any, error) {
		return s.Campaigns.CommandCampaign(id, command, body)
	})
}

// addContacts streams the body into the campaign: it may be far larger than
// what fits into memory.
func (s *server) addContacts(w http.ResponseWriter, r *http.Request) error {
	id, err := s.mayCampaign(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	in := Import{Body: r.Body, Format: q.Get("format")}
	if in.Format == "" {
		in.Format = formatOf(r.Header.Get("Content-Type"))
	}
	switch in.Format {
	case FormatJSON, FormatNDJSON, FormatCSV, "":
	default:
		return fault.New(fault.Invalid, "format: %q is none of json, ndjson, csv", in.Format)
	}
	if in.Strict, err = yes("strict", q.Get("strict")); err != nil {
		return err
	}
	if in.Dry, err = yes("dry", q.Get("dry")); err != nil {
		return err
	}
	answer, err := s.Campaigns.ImportContacts(r.Context(), id, in)
	switch {
	case err == nil:
		return write(w, http.StatusOK, answer)
	case answer == nil:
		return err
	}
	return refusal(w, answer, err)
}

// refusal answers with an error and, beside it, the rows that are its reason.
func refusal(w http.ResponseWriter, answer any, err error) error {
	raw, merr := json.Marshal(answer)
	both := map[string]any{}
	if merr != nil || json.Unmarshal(raw, &both) != nil {
		return err
	}
	f := faultOf(err)
	both["error"] = map[string]any{"code": f.Code, "message": f.Message, "hint": f.Hint}
	return write(w, fault.HTTPStatus(f.Code), both)
}

// formatOf is the format of a content type, "" if the body has to tell.
func formatOf(contentType string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch kind {
	case "application/json":
		return FormatJSON
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return FormatNDJSON
	case "text/csv", "application/csv", "application/vnd.ms-excel":
		return FormatCSV
	}
	return ""
}

// yes reads a parameter that is true or false; it may stand alone.
func yes(name, text string) (bool, error) {
	switch text {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, fault.New(fault.Invalid, "%s: %q is neither true nor false", name, text)
}

func (s *server) listContacts(w http.ResponseWriter, r *http.Request) error {
	id, err := s.mayCampaign(r)
	if err != nil {
		return err
	}
	v := r.URL.Query()
	q := ContactQuery{State: v.Get("state"), Outcome: v.Get("outcome"), Phone: plus(v.Get("phone"))}
	if q.Limit, q.Cursor, err = page(v); err != nil {
		return err
	}
	rows, next, err := s.Campaigns.ListContacts(id, q)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"contacts": rows, "next": next})
}

func (s *server) deleteContact(w http.ResponseWriter, r *http.Request) error {
	id, err := s.mayCampaign(r)
	if err != nil {
		return err
	}
	if err := s.Campaigns.DeleteContact(id, contactKey(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// report makes the handler of a format. What is written has begun before an
// error can be known: it ends the connection then, so that nobody takes half a
// report for a whole one.
func report(format string) func(*server, http.ResponseWriter, *http.Request) error {
	kind := map[string]string{FormatCSV: "text/csv; charset=utf-8", FormatJSON: "application/json; charset=utf-8", FormatNDJSON: "application/x-ndjson"}[format]
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		id, err := s.mayCampaign(r)
		if err != nil {
			return err
		}
		out := &late{w: w, kind: kind, name: "campaign-" + strings.Map(fileName, id) + "." + format}
		if err := s.Campaigns.CampaignReport(r.Context(), id, format, out); err != nil {
			if !out.begun {
				return err
			}
			s.Log.Error("api: report", "campaign", id, "err", err)
			panic(http.ErrAbortHandler)
		}
		return nil
	}
}

func fileName(r rune) rune {
	if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return '_'
}

// late sends the header with the first byte of the body.
type late struct {
	w          http.ResponseWriter
	kind, name string
	begun      bool
}

// Write implements io.Writer.
func (l *late) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", l.kind)
		l.w.Header().Set("Content-Disposition", `attachment; filename="`+l.name+`"`)
		l.w.WriteHeader(http.StatusOK)
	}
	return l.w.Write(p)
}

// why tells why a number was or was not called.
func (s *server) why(w http.ResponseWriter, r *http.Request) error {
	v, err := s.Campaigns.Why(plus(r.PathValue("phone")))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, v)
}

var _ io.Writer = (*late)(nil)
