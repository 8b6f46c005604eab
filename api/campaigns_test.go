package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// campaignHouse is what the house was asked about campaigns and the stop-list.
type campaignHouse struct {
	asked   []string
	query   CampaignQuery
	contact ContactQuery
	in      Import
	body    string
	broken  error // of a report that has begun
	bad     error // of a strict import
	stopped map[string]string
}

// campaignScripts are the campaigns there are.
var campaignScripts = map[string]string{"camp": "order", "one": "order", "other": "sales"}

func (h *house) saw(format string, args ...any) error {
	h.campaign.asked = append(h.campaign.asked, fmt.Sprintf(format, args...))
	return h.fail
}

func (h *house) CreateCampaign(body json.RawMessage, key string) (any, bool, error) {
	return map[string]string{"id": "camp", "state": "draft"}, h.created, h.saw("create %s %s", body, key)
}

func (h *house) ListCampaigns(q CampaignQuery) (any, string, error) {
	h.campaign.query = q
	return []any{}, "more", h.fail
}

func (h *house) ShowCampaign(id string) (any, error) { return map[string]any{"id": id}, h.fail }

func (h *house) CampaignScript(id string) (string, error) {
	s, ok := campaignScripts[id]
	if !ok {
		return "", fault.New(fault.NotFound, "no campaign %q", id)
	}
	return s, nil
}

func (h *house) Rehearse(_ context.Context, id string) (any, error) {
	return map[string]any{"id": id}, h.fail
}

func (h *house) PatchCampaign(id string, body json.RawMessage) (any, error) {
	return map[string]any{}, h.saw("patch %s %s", id, body)
}

func (h *house) CommandCampaign(id, command string, body json.RawMessage) (any, error) {
	return map[string]any{}, h.saw("%s %s %s", command, id, body)
}

func (h *house) ImportContacts(_ context.Context, _ string, in Import) (any, error) {
	h.campaign.in = in
	raw, err := io.ReadAll(in.Body)
	h.campaign.body = string(raw)
	if err == nil && h.campaign.bad != nil {
		return map[string]any{"refused": 2}, h.campaign.bad
	}
	if err = errors.Join(err, h.fail); err != nil {
		return nil, err
	}
	return map[string]any{"accepted": 1}, nil
}

func (h *house) ListContacts(_ string, q ContactQuery) (any, string, error) {
	h.campaign.contact = q
	return []any{}, "", h.fail
}

func (h *house) ShowContact(id, key string) (any, error) {
	return map[string]any{}, h.saw("contact %s %s", id, key)
}

func (h *house) PatchContact(id, key string, body json.RawMessage) (any, error) {
	return map[string]any{}, h.saw("patch contact %s %s %s", id, key, body)
}

func (h *house) DeleteContact(id, key string) error { return h.saw("delete %s %s", id, key) }

func (h *house) CampaignReport(_ context.Context, id, format string, w io.Writer) error {
	if h.fail != nil {
		return h.fail
	}
	_, _ = io.WriteString(w, id+" as "+format)
	return h.campaign.broken
}

func (h *house) Why(phone string) (any, error) {
	return map[string]any{"phone": phone}, h.saw("why %s", phone)
}

func (h *house) StopList(int, string) (any, string, error) { return []any{}, "", h.fail }

func (h *house) Stopped(phone string) (any, error) {
	reason, ok := h.campaign.stopped[phone]
	if !ok {
		return nil, fault.New(fault.NotFound, "not there")
	}
	return map[string]any{"phone": phone, "reason": reason}, h.fail
}

func (h *house) Stop(phone, reason, expires string) (any, error) {
	if h.campaign.stopped == nil {
		h.campaign.stopped = map[string]string{}
	}
	h.campaign.stopped[phone] = reason + expires
	return map[string]any{"phone": phone}, h.fail
}

func (h *house) Unstop(phone string) (bool, error) {
	_, was := h.campaign.stopped[phone]
	delete(h.campaign.stopped, phone)
	return was, h.fail
}

func TestCampaignCommands(t *testing.T) {
	h := newHouse()
	want(t, h.ask(t, "POST", "/v1/campaigns", `{"script":"order"}`, "Idempotency-Key", "k"), 201, "")
	h.created = false
	want(t, h.ask(t, "POST", "/v1/campaigns", `{"script":"order"}`), 200, "")
	want(t, h.ask(t, "PATCH", "/v1/campaigns/camp", `{"max_calls":5}`), 200, "")
	for _, c := range []string{"start", "pause", "resume", "cancel"} {
		want(t, h.ask(t, "POST", "/v1/campaigns/camp/"+c, ""), 200, "")
	}
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/begin", ""), 404, fault.NotFound)
	want(t, h.ask(t, "PATCH", "/v1/campaigns/camp/contacts/+79161234567", `{"priority":1}`), 200, "")
	want(t, h.ask(t, "DELETE", "/v1/campaigns/camp/contacts/a%2Fb", ""), 204, "")
	want(t, h.ask(t, "GET", "/v1/why/%2079161234567", ""), 200, "")
	wanted := `create {"script":"order"} k
create {"script":"order"} 
patch camp {"max_calls":5}
start camp {}
pause camp {}
resume camp {}
cancel camp {}
patch contact camp +79161234567 {"priority":1}
delete camp a/b
why +79161234567`
	if got := strings.Join(h.campaign.asked, "\n"); got != wanted {
		t.Errorf("asked\n%s", got)
	}
	want(t, h.ask(t, "GET", "/v1/campaigns?state=running&limit=7&cursor=c", ""), 200, "")
	if q := h.campaign.query; q.State != "running" || q.Limit != 7 || q.Cursor != "c" || !q.May("sales") {
		t.Errorf("%+v", q)
	}
	want(t, h.ask(t, "GET", "/v1/campaigns/camp/contacts?outcome=busy&phone=+79161234567", ""), 200, "")
	if q := h.campaign.contact; q.Outcome != "busy" || q.Phone != "+79161234567" || q.Limit != defaultLimit {
		t.Errorf("%+v", q)
	}
	h.fail = fault.New(fault.Conflict, "the campaign is cancelled")
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/start", ""), 409, fault.Conflict)
}

// TestCampaignTokens: a token for some scripts sees no campaign of others.
func TestCampaignTokens(t *testing.T) {
	h := newHouse()
	auth := []string{"Authorization", "Bearer order-secret"}
	for target, status := range map[string]int{
		"GET /v1/campaigns/camp": 200, "GET /v1/campaigns/other": 404, "GET /v1/campaigns/none": 404, "POST /v1/campaigns/other/start": 404,
		"GET /v1/campaigns/other/report.csv": 404, "POST /v1/campaigns/other/contacts": 404, "DELETE /v1/campaigns/other/contacts/x": 404,
		"GET /v1/why/+79161234567": 403,
	} {
		method, path, _ := strings.Cut(target, " ")
		if w := h.ask(t, method, path, "", auth...); w.Code != status {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	want(t, h.ask(t, "POST", "/v1/campaigns", `{"script":"sales"}`, auth...), 403, fault.Denied)
	want(t, h.ask(t, "GET", "/v1/campaigns", "", auth...), 200, "")
	if h.campaign.query.May("sales") || !h.campaign.query.May("order") {
		t.Error("the list is not narrowed")
	}
	for _, other := range []string{"caller-secret", "reader-secret"} {
		want(t, h.ask(t, "POST", "/v1/campaigns/camp/start", "", "Authorization", "Bearer "+other), 403, fault.Denied)
	}
}

func TestImportFormats(t *testing.T) {
	h := newHouse()
	for kind, format := range map[string]string{
		"application/json": "json", "application/x-ndjson; charset=utf-8": "ndjson", "text/csv": "csv", "application/octet-stream": "", "": "",
	} {
		want(t, h.ask(t, "POST", "/v1/campaigns/camp/contacts?strict=true", "rows", "Content-Type", kind), 200, "")
		if in := h.campaign.in; in.Format != format || !in.Strict || in.Dry || h.campaign.body != "rows" {
			t.Errorf("%s: %+v", kind, in)
		}
	}
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/contacts?format=csv&dry=1", "rows", "Content-Type", "application/json"), 200, "")
	if in := h.campaign.in; in.Format != "csv" || in.Strict || !in.Dry {
		t.Errorf("%+v", in)
	}
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/contacts?format=xls", "rows"), 422, fault.Invalid)
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/contacts?strict=maybe", "rows"), 422, fault.Invalid)
	h.campaign.bad = fault.New(fault.Invalid, "2 rows are bad")
	w := h.ask(t, "POST", "/v1/campaigns/camp/contacts?strict=true", "rows")
	if want(t, w, 422, fault.Invalid); !strings.Contains(w.Body.String(), `"refused":2`) {
		t.Errorf("the rows are not told: %s", w.Body)
	}
	h.campaign.bad = nil
	// Longer than MaxBody, which is for bodies that are held; then than MaxImport.
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/contacts", strings.Repeat("x", maxImport)), 200, "")
	want(t, h.ask(t, "POST", "/v1/campaigns/camp/contacts", strings.Repeat("x", maxImport+1)), 413, fault.Invalid)
}

// TestSlowImport: a list may take longer than readTime, but not stand still
// for so long.
func TestSlowImport(t *testing.T) {
	h := newHouse()
	srv, _ := impatient(t, h)
	send := func(pieces int) int {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/campaigns/camp/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer full-secret\r\nContent-Length: 5\r\n\r\n")
		tick := time.NewTicker(brief / 2)
		defer tick.Stop()
		for range pieces {
			<-tick.C
			fmt.Fprint(c, "x")
		}
		_ = c.SetReadDeadline(time.Now().Add(waitLimit))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if code := send(3); code != http.StatusRequestTimeout {
		t.Errorf("a body that stopped: %d", code)
	}
	if code := send(5); code != http.StatusOK && code != http.StatusRequestTimeout { // on a crowded machine a tick may come late
		t.Errorf("a slow body: %d", code)
	}
}

func TestReports(t *testing.T) {
	h := newHouse()
	w := h.ask(t, "GET", "/v1/campaigns/camp/report.csv", "")
	if want(t, w, 200, ""); w.Body.String() != "camp as csv" || w.Header().Get("Content-Type") != "text/csv; charset=utf-8" ||
		w.Header().Get("Content-Disposition") != `attachment; filename="campaign-camp.csv"` {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	if w = h.ask(t, "GET", "/v1/campaigns/camp/report.json", ""); w.Body.String() != "camp as json" {
		t.Errorf("%s", w.Body)
	}
	h.campaign.broken = errors.New("the disk")
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a report that broke off ended as if it were whole")
			}
		}()
		h.ask(t, "GET", "/v1/campaigns/camp/report.csv", "")
	}()
	h.fail = fault.New(fault.NotFound, "no campaign")
	want(t, h.ask(t, "GET", "/v1/campaigns/camp/report.csv", ""), 404, fault.NotFound)
}

func TestStopList(t *testing.T) {
	h := newHouse()
	want(t, h.ask(t, "PUT", "/v1/stoplist/+79161234567", `{"reason":"asked"}`), 200, "")
	want(t, h.ask(t, "PUT", "/v1/stoplist/+79161234568?reason=spam&expires=24h", ""), 200, "")
	if s := h.campaign.stopped; s["+79161234567"] != "asked" || s["+79161234568"] != "spam24h" {
		t.Errorf("%v", s)
	}
	want(t, h.ask(t, "PUT", "/v1/stoplist/+79161234567", `{"why":"asked"}`), 422, fault.Invalid)
	want(t, h.ask(t, "GET", "/v1/stoplist/+79161234567", ""), 200, "")
	want(t, h.ask(t, "GET", "/v1/stoplist", ""), 200, "")
	want(t, h.ask(t, "DELETE", "/v1/stoplist/+79161234567", ""), 204, "")
	want(t, h.ask(t, "DELETE", "/v1/stoplist/+79161234567", ""), 404, fault.NotFound)
	want(t, h.ask(t, "GET", "/v1/stoplist/+79161234567", ""), 404, fault.NotFound)
}
