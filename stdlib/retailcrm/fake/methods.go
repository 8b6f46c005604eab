package fake

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// digits brings +7…, 7… and 8… together.
func digits(v any) string {
	d := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text(v))
	if len(d) == 11 && d[0] == '8' {
		d = "7" + d[1:]
	}
	return d
}

// manager tells whom a number belongs to; managers who are not at work are
// left out unless ignoreStatus is set.
func (s *Server) manager(form url.Values) (row, *refusal) {
	number := digits(form.Get("phone"))
	if number == "" {
		return nil, &refusal{400, "Parameter 'phone' is missing", nil}
	}
	body := row{"manager": nil}
	var owner any
	for _, kind := range []string{"customer", "order"} {
		for _, r := range s.rows[kind] {
			if digits(r["phone"]) != number {
				continue
			}
			if owner == nil {
				owner = r["managerId"]
			}
			if kind == "customer" && form.Get("details") == "1" {
				body["customer"] = row{"id": text(r["id"]), "externalId": r["externalId"], "firstName": r["firstName"], "lastName": r["lastName"], "phones": []row{{"number": r["phone"]}}}
				body["links"] = row{"customerLink": URL + "/customers/" + text(r["id"]), "newOrderLink": URL + "/orders/add"}
			}
		}
	}
	for _, u := range s.rows["user"] {
		if owner != nil && text(u["id"]) == text(owner) && (u["atWork"] == true || form.Get("ignoreStatus") == "1") {
			body["manager"] = row{"id": text(u["id"]), "firstName": u["firstName"], "lastName": u["lastName"], "code": u["code"]}
		}
	}
	return body, nil
}

// field reads a form field that holds JSON.
func field(form url.Values, name string, v any) *refusal {
	if form.Get(name) == "" {
		return &refusal{400, "Parameter '" + name + "' is missing", nil}
	}
	if json.Unmarshal([]byte(form.Get(name)), v) != nil {
		return &refusal{400, "Errors in the input parameters", row{name: "not JSON"}}
	}
	return nil
}

func (s *Server) event(form url.Values) (row, *refusal) {
	var e row
	if refused := field(form, "event", &e); refused != nil {
		return nil, refused
	}
	switch {
	case !slices.Contains([]string{"in", "out", "hangup"}, text(e["type"])):
		return nil, wrong("type", "The value you selected is not a valid choice.")
	case digits(e["phone"]) == "":
		return nil, wrong("phone", "This value should not be blank.")
	case e["hangupStatus"] != nil && !slices.Contains([]string{"answered", "busy", "cancel", "failed", "no answered"}, text(e["hangupStatus"])):
		return nil, wrong("hangupStatus", "The value you selected is not a valid choice.")
	}
	s.rows["event"] = append(s.rows["event"], e)
	missing := []any{}
	codes, _ := e["codes"].([]any)
	for _, code := range codes {
		if !slices.ContainsFunc(s.rows["user"], func(u row) bool { return text(u["code"]) == text(code) }) {
			missing = append(missing, code)
		}
	}
	return row{"notExistCodes": missing, "notExistUserIds": []any{}}, nil
}

// maxUpload is how many calls one upload may hold.
const maxUpload = 50

func (s *Server) upload(form url.Values) (row, *refusal) {
	var calls []row
	if refused := field(form, "calls", &calls); refused != nil {
		return nil, refused
	}
	if len(calls) == 0 || len(calls) > maxUpload {
		return nil, &refusal{400, "You can upload from 1 to 50 calls", nil}
	}
	known := []string{"answered", "busy", "failed", "no answer", "not allowed", "unknown"}
	duplicates, taken := []any{}, 0
	for _, c := range calls {
		_, err := time.Parse("2006-01-02 15:04:05", text(c["date"]))
		switch {
		case err != nil:
			return nil, wrong("date", "This value is not valid.")
		case text(c["type"]) != "in" && text(c["type"]) != "out":
			return nil, wrong("type", "The value you selected is not a valid choice.")
		case !slices.Contains(known, text(c["result"])):
			return nil, wrong("result", "The value you selected is not a valid choice.")
		case digits(c["phone"]) == "":
			return nil, wrong("phone", "This value should not be blank.")
		}
		same := func(x row) bool { return c["externalId"] != nil && x["externalId"] == c["externalId"] }
		if slices.ContainsFunc(s.rows["call"], same) {
			duplicates = append(duplicates, c["externalId"])
			continue
		}
		s.rows["call"] = append(s.rows["call"], c)
		taken++
	}
	return row{"processedCallsCount": taken, "duplicateCalls": duplicates}, nil
}

func (s *Server) orders(form url.Values) (row, *refusal) {
	switch form.Get("limit") {
	case "", "20", "50", "100":
	default:
		return nil, &refusal{400, "Errors in the input parameters", row{"limit": "The value you selected is not a valid choice."}}
	}
	out := []row{}
	for _, o := range s.rows["order"] {
		if n := form["filter[numbers][]"]; len(n) == 0 || slices.Contains(n, text(o["number"])) {
			out = append(out, maps.Clone(o))
		}
	}
	return row{"orders": out, "pagination": row{"limit": 20, "totalCount": len(out), "currentPage": 1, "totalPageCount": 1}}, nil
}

// order finds one; the site is needed to know a shop's own id.
func (s *Server) order(id string, form url.Values) (row, *refusal) {
	by := form.Get("by")
	if by == "" {
		by = "externalId"
	}
	if by != "id" && by != "externalId" {
		return nil, &refusal{400, "Errors in the input parameters", row{"by": "The value you selected is not a valid choice."}}
	}
	for _, o := range s.rows["order"] {
		if text(o[by]) == id {
			return o, nil
		}
	}
	return nil, &refusal{404, "Not found", nil}
}

func (s *Server) edit(id string, form url.Values) (row, *refusal) {
	o, refused := s.order(id, form)
	if refused != nil {
		return nil, refused
	}
	var changes row
	if refused := field(form, "order", &changes); refused != nil {
		return nil, refused
	}
	for name, v := range changes {
		if name == "customFields" {
			fields, ok := v.(row)
			if !ok {
				return nil, wrong("customFields", "This value is not valid.")
			}
			merged, _ := o["customFields"].(row)
			merged = maps.Clone(merged)
			if merged == nil {
				merged = row{}
			}
			maps.Copy(merged, fields)
			o["customFields"] = merged
			continue
		}
		o[name] = v
	}
	return row{"id": o["id"], "order": maps.Clone(o)}, nil
}

// create takes any object; its field is the kind's name.
func (s *Server) create(kind string, form url.Values) (row, *refusal) {
	var v row
	if refused := field(form, kind, &v); refused != nil {
		return nil, refused
	}
	s.ids[kind]++
	v["id"] = s.ids[kind]
	s.rows[kind] = append(s.rows[kind], v)
	return row{"id": v["id"]}, nil
}
