package host

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

// house notes what it is asked.
type house struct{ asked []string }

func (h *house) saw(text string) error {
	h.asked = append(h.asked, text)
	return nil
}

func (h *house) Place(body json.RawMessage, _ string) (any, bool, error) {
	return map[string]any{"id": "o1", "next_at": "x", "data": map[string]any{"snake_case": 1}}, true, h.saw("place " + string(body))
}

func (h *house) Cancel(id string) error { return h.saw("cancel " + id) }

func (h *house) OpenOrder(key string) (string, error) {
	if key != "k" {
		return "", fault.New(fault.NotFound, "no open order")
	}
	return "o7", nil
}

func (h *house) Stop(phone, reason, expires string) (any, error) {
	return nil, h.saw("stop " + phone + " " + reason + " " + expires)
}

func (h *house) OnStopList(phone string) (bool, error) { return phone == "+7", nil }

func (h *house) Unstop(phone string) (bool, error) { return true, h.saw("unstop " + phone) }

func (h *house) CreateCampaign(body json.RawMessage, _ string) (any, bool, error) {
	return map[string]string{"id": "m1"}, true, h.saw("create " + string(body))
}

func (h *house) ShowCampaign(id string) (any, error) {
	return map[string]any{"max_calls": 5, "counts": map[string]any{"talk_ms": 1, "outcomes": map[string]int{"no_answer": 2}}}, h.saw("show " + id)
}

func (h *house) PatchCampaign(id string, body json.RawMessage) (any, error) {
	return nil, h.saw("patch " + id + " " + string(body))
}

func (h *house) CommandCampaign(id, command string, body json.RawMessage) (any, error) {
	return nil, h.saw(command + " " + id + " " + string(body))
}

func (h *house) AddContacts(_ context.Context, id string, list json.RawMessage) (any, error) {
	return map[string]any{"rejected": []any{map[string]any{"line": 1}}}, h.saw("add " + id + " " + string(list))
}

func (h *house) ShowContact(id, key string) (any, error) {
	return map[string]any{"result": map[string]any{"a_b": 1}, "closed_at": "x"}, h.saw("contact " + id + " " + key)
}

func TestMethods(t *testing.T) {
	for _, c := range []struct{ method, args, asked, want string }{
		{"schedule", `{"order":{"to":"+7"}}`, `place {"to":"+7"}`, `{"data":{"snake_case":1},"id":"o1","nextAt":"x"}`},
		{"cancel", `{"id":"o1"}`, "cancel o1", "null"},
		{"cancel", `{"key":"k"}`, "cancel o7", "null"},
		{"cancel", `{"id":"m1","fields":{}}`, "cancel m1 {}", "null"},
		{"stop.add", `{"phone":"+7","reason":"r","expires":"1d"}`, "stop +7 r 1d", "null"},
		{"stop.add", `{"phone":"+7","expires":5000}`, "stop +7  5000", "null"},
		{"stop.has", `{"phone":"+7"}`, "", `{"found":true}`},
		{"stop.delete", `{"phone":"+7"}`, "unstop +7", `{"deleted":true}`},
		{"create", `{"campaign":{"script":"s"}}`, `create {"script":"s"}`, `{"id":"m1"}`},
		{"get", `{"id":"m1"}`, "show m1", `{"counts":{"outcomes":{"no_answer":2},"talkMs":1},"maxCalls":5}`},
		{"patch", `{"id":"m1","fields":{"max_calls":2}}`, `patch m1 {"max_calls":2}`, "null"},
		{"start", `{"id":"m1"}`, "start m1 {}", "null"},
		{"add", `{"id":"m1","contacts":[{}]}`, "add m1 [{}]", `{"rejected":[{"line":1}]}`},
		{"contact", `{"id":"m1","key":"x"}`, "contact m1 x", `{"closedAt":"x","result":{"a_b":1}}`},
	} {
		h := &house{}
		do := Services{h, h, h}.Methods()["campaign."+c.method]
		v, err := do(context.Background(), json.RawMessage(c.args))
		got, _ := json.Marshal(v)
		asked := ""
		if len(h.asked) > 0 {
			asked = h.asked[0]
		}
		if err != nil || string(got) != c.want || asked != c.asked {
			t.Errorf("%s %s: %s, asked %q, %v", c.method, c.args, got, asked, err)
		}
	}
	h := &house{}
	for _, bad := range []string{`[]`, `{"key":"other"}`} {
		if _, err := (Services{h, h, h}).Methods()["campaign.cancel"](context.Background(), json.RawMessage(bad)); err == nil || len(h.asked) > 0 {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
