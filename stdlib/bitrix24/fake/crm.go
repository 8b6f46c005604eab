package fake

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// page is a result that has more pages.
type page struct {
	result any
	total  int
	next   int
}

// method carries one method out.
type method struct {
	app bool // for applications only
	do  func(s *Server, p row) (any, *refusal)
}

// methods are those of the documentation that the connector or a script of the
// examples uses.
func methods() map[string]method {
	return map[string]method{
		"profile":                                  {do: (*Server).profile},
		"app.info":                                 {true, (*Server).appInfo},
		"user.get":                                 {do: (*Server).userGet},
		"timeman.status":                           {do: (*Server).timeman},
		"telephony.externalCall.register":          {true, (*Server).register},
		"telephony.externalCall.finish":            {true, (*Server).finish},
		"telephony.externalCall.show":              {do: func(s *Server, p row) (any, *refusal) { return s.showing(p, true) }},
		"telephony.externalCall.hide":              {do: func(s *Server, p row) (any, *refusal) { return s.showing(p, false) }},
		"telephony.externalCall.attachRecord":      {do: (*Server).attach},
		"telephony.externalCall.searchCrmEntities": {do: (*Server).searchEntities},
		"upload":                   {do: (*Server).upload},
		"crm.duplicate.findbycomm": {do: (*Server).findByComm},
		"crm.item.add":             {do: (*Server).itemAdd},
		"crm.item.update":          {do: (*Server).itemUpdate},
		"crm.item.get":             {do: (*Server).itemGet},
		"crm.item.list":            {do: (*Server).itemList},
		"tasks.task.add":           {do: (*Server).taskAdd},
		"im.notify":                {do: (*Server).notify},
		"im.notify.system.add":     {do: (*Server).notify},
	}
}

func (s *Server) call(name string, app bool, p row) (any, *refusal) {
	if name == "batch" {
		return s.batch(app, p)
	}
	m, ok := methods()[name]
	switch {
	case !ok:
		return nil, &refusal{404, "ERROR_METHOD_NOT_FOUND", "Method not found!"}
	case m.app && !app:
		return nil, &refusal{403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method"}
	}
	return m.do(s, p)
}

// maxBatch is the most commands of a batch.
const maxBatch = 50

// earlier is how a command names the result of an earlier one.
var earlier = regexp.MustCompile(`\$result\[([^\]]+)\]((?:\[[^\]]+\])*)`)

// batch carries commands out in the order of their names' first appearance;
// a JSON object read into a map has lost it, so that they go by name here.
func (s *Server) batch(app bool, p row) (any, *refusal) {
	cmd, _ := p["cmd"].(row)
	results, refusals := row{}, row{}
	halt := text(p["halt"]) == "1" || p["halt"] == true
	for i, name := range slices.Sorted(maps.Keys(cmd)) {
		method, query, _ := strings.Cut(substitute(text(cmd[name]), results), "?")
		params := row{}
		values, _ := url.ParseQuery(query)
		for field, list := range values {
			put(params, field, list[len(list)-1])
		}
		var result any
		refused := &refusal{400, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"}
		switch {
		case i >= maxBatch:
			refused = &refusal{400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"}
		case method != "batch":
			if refused = s.work(method); refused == nil {
				result, refused = s.call(method, app, params)
			}
		}
		if refused != nil {
			refusals[name] = row{"error": refused.name, "error_description": refused.says}
			if halt {
				break
			}
			continue
		}
		if pg, ok := result.(page); ok {
			result = pg.result
		}
		results[name] = result
	}
	return row{"result": orList(results), "result_error": orList(refusals), "result_total": []any{}, "result_next": []any{}, "result_time": []any{}}, nil
}

// orList is what PHP makes of an empty map.
func orList(m row) any {
	if len(m) == 0 {
		return []any{}
	}
	return m
}

func substitute(command string, results row) string {
	return earlier.ReplaceAllStringFunc(command, func(ref string) string {
		path := strings.FieldsFunc(strings.TrimPrefix(ref, "$result"), func(r rune) bool { return r == '[' || r == ']' })
		var at any = results
		for _, key := range path {
			m, ok := at.(row)
			if !ok {
				return ""
			}
			at = m[key]
		}
		return url.QueryEscape(text(at))
	})
}

func (s *Server) profile(row) (any, *refusal) {
	return row{"ID": "1", "ADMIN": true, "NAME": "Анна", "LAST_NAME": ""}, nil
}

func (s *Server) appInfo(row) (any, *refusal) {
	return row{"ID": 1, "CODE": ClientID, "STATUS": "L", "INSTALLED": true, "SCOPE": []string{"crm", "telephony"}}, nil
}

func (s *Server) userGet(p row) (any, *refusal) {
	out := []any{}
	for _, u := range s.rows["user"] {
		if id := text(p["ID"]); id == "" || id == text(u["id"]) {
			out = append(out, row{"ID": text(u["id"]), "ACTIVE": true, "NAME": u["NAME"], "UF_PHONE_INNER": u["UF_PHONE_INNER"], "PERSONAL_MOBILE": u["PERSONAL_MOBILE"]})
		}
	}
	return page{result: out, total: len(out)}, nil
}

func (s *Server) timeman(p row) (any, *refusal) {
	u, refused := s.employee(p)
	if refused != nil {
		return nil, &refusal{400, "", "User not found"}
	}
	return row{"STATUS": u["SHIFT"], "TIME_START": nil, "TZ_OFFSET": 10800}, nil
}

// hit is an object that has a number.
type hit struct {
	kind string
	row  row
}

// byPhone finds whose number it is; new objects are not found at once.
func (s *Server) byPhone(number any) []hit {
	want := national(number)
	var out []hit
	for _, kind := range []string{"contact", "company", "lead"} {
		for _, r := range s.rows[kind] {
			if made, ok := r["createdAt"].(time.Time); ok && s.opts.Clock.Now().Sub(made) < s.opts.SearchLag {
				continue
			}
			if slices.ContainsFunc(phones(r), func(n string) bool { return n == want }) {
				out = append(out, hit{strings.ToUpper(kind), r})
			}
		}
	}
	return out
}

// phones are the numbers of an object.
func phones(r row) (out []string) {
	list, _ := r["fm"].([]any)
	for _, item := range list {
		if m, ok := item.(row); ok && strings.EqualFold(text(m["typeId"]), "PHONE") {
			out = append(out, national(m["value"]))
		}
	}
	return out
}

// maxHits is how many of one type are told, and push the others out.
const maxHits = 20

func (s *Server) findByComm(p row) (any, *refusal) {
	values, _ := p["values"].([]any)
	switch {
	case text(p["type"]) != "PHONE" && text(p["type"]) != "EMAIL":
		return nil, &refusal{400, "", "Communication type is not defined"}
	case len(values) == 0 || len(values) > maxHits:
		return nil, &refusal{400, "", "Communication values is not defined"}
	}
	out, full := row{}, ""
	for _, v := range values {
		for _, h := range s.byPhone(v) {
			list, _ := out[h.kind].([]any)
			only := text(p["entity_type"])
			if only != "" && only != h.kind || slices.ContainsFunc(list, func(x any) bool { return x == h.row["id"] }) || len(list) >= maxHits {
				continue
			}
			if out[h.kind] = append(list, h.row["id"]); len(list)+1 == maxHits {
				full = h.kind
			}
		}
	}
	if full != "" {
		return row{full: out[full]}, nil
	}
	return orList(out), nil
}

// kinds are the entity types of crm.item.*.
var kinds = map[int]string{1: "lead", 2: "deal", 3: "contact", 4: "company"}

func kindOf(p row) (string, *refusal) {
	kind, ok := kinds[whole(p["entityTypeId"])]
	if !ok {
		return "", &refusal{400, "NOT_FOUND", "Смарт-процесс не найден"}
	}
	return kind, nil
}

// known are fields that an item has; others are ignored, as the portal does.
var known = map[string]bool{
	"title": true, "name": true, "secondName": true, "lastName": true, "fm": true, "sourceId": true, "assignedById": true, "comments": true,
	"stageId": true, "opportunity": true, "currencyId": true, "contactId": true, "companyId": true, "sourceDescription": true, "typeId": true,
}

func taken(p row) row {
	fields, _ := p["fields"].(row)
	out := row{}
	for k, v := range fields {
		if known[k] || strings.HasPrefix(k, "ufCrm") || strings.HasPrefix(k, "UF_CRM") {
			out[k] = v
		}
	}
	return out
}

func (s *Server) itemAdd(p row) (any, *refusal) {
	kind, refused := kindOf(p)
	if refused != nil {
		return nil, refused
	}
	id := s.addLocked(kind, taken(p), false)
	item := maps.Clone(s.rows[kind][len(s.rows[kind])-1])
	item["id"] = id
	return row{"item": item}, nil
}

func (s *Server) item(p row) (row, *refusal) {
	kind, refused := kindOf(p)
	if refused != nil {
		return nil, refused
	}
	for _, r := range s.rows[kind] {
		if r["id"] == whole(p["id"]) {
			return r, nil
		}
	}
	return nil, &refusal{400, "NOT_FOUND", fmt.Sprintf("Элемент %d не найден", whole(p["id"]))}
}

func (s *Server) itemUpdate(p row) (any, *refusal) {
	item, refused := s.item(p)
	if refused != nil {
		return nil, refused
	}
	maps.Copy(item, taken(p))
	return row{"item": maps.Clone(item)}, nil
}

func (s *Server) itemGet(p row) (any, *refusal) {
	item, refused := s.item(p)
	return row{"item": maps.Clone(item)}, refused
}

// pageSize is how many rows a list gives at once.
const pageSize = 50

func (s *Server) itemList(p row) (any, *refusal) {
	kind, refused := kindOf(p)
	if refused != nil {
		return nil, refused
	}
	all, items := s.rows[kind], []any{}
	start := min(max(whole(p["start"]), 0), len(all))
	for _, r := range all[start:min(start+pageSize, len(all))] {
		items = append(items, maps.Clone(r))
	}
	pg := page{result: row{"items": items}, total: len(all)}
	if start+pageSize < len(all) {
		pg.next = start + pageSize
	}
	return pg, nil
}

func (s *Server) taskAdd(p row) (any, *refusal) {
	fields, _ := p["fields"].(row)
	if text(fields["TITLE"]) == "" || text(fields["RESPONSIBLE_ID"]) == "" {
		return nil, core("Не указан заголовок или исполнитель задачи")
	}
	id := s.addLocked("task", fields, false)
	return row{"task": row{"id": text(id), "title": fields["TITLE"]}}, nil
}

func (s *Server) notify(p row) (any, *refusal) {
	if text(p["USER_ID"]) == "" || text(p["MESSAGE"]) == "" {
		return nil, &refusal{400, "MESSAGE_EMPTY", "Message can't be empty"}
	}
	return s.addLocked("notify", p, false), nil
}
