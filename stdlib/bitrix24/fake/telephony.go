package fake

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// statusKnown are the values of STATUS_CODE.
var statusKnown = map[string]bool{
	"200": true, "304": true, "603": true, "603-S": true, "403": true, "404": true, "486": true, "484": true, "503": true, "480": true, "402": true, "423": true, "OTHER": true,
}

// sameCall is how long an equal registration gives the same call.
const sameCall = 30 * time.Minute

func digits(v any) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text(v))
}

// national brings 8… and 7… together, as the portal's search does.
func national(v any) string {
	d := digits(v)
	if len(d) == 11 && d[0] == '8' {
		d = "7" + d[1:]
	}
	return d
}

// employee finds who a call belongs to.
func (s *Server) employee(p row) (row, *refusal) {
	id, inner := text(p["USER_ID"]), text(p["USER_PHONE_INNER"])
	if id == "" && inner == "" {
		return nil, core("USER_ID or USER_PHONE_INNER should be set")
	}
	for _, u := range s.rows["user"] {
		if id != "" && text(u["id"]) == id || id == "" && text(u["UF_PHONE_INNER"]) == inner {
			return u, nil
		}
	}
	return nil, core("User is not found or is not active")
}

func (s *Server) register(p row) (any, *refusal) {
	u, refused := s.employee(p)
	kind := whole(p["TYPE"])
	_, badDate := time.Parse(time.RFC3339, text(p["CALL_START_DATE"]))
	switch {
	case refused != nil:
		return nil, refused
	case kind < 1 || kind > 5:
		return nil, core("Unknown TYPE")
	case text(p["CALL_START_DATE"]) != "" && badDate != nil:
		return nil, core("CALL_START_DATE should be in the ISO-8601 format")
	case len(digits(p["PHONE_NUMBER"])) < 3:
		return nil, core("Unsupported phone number format")
	}
	now := s.opts.Clock.Now()
	for _, c := range s.rows["call"] {
		made, _ := c["createdAt"].(time.Time)
		if now.Sub(made) < sameCall && c["EXTERNAL_CALL_ID"] == text(p["EXTERNAL_CALL_ID"]) && c["PHONE_NUMBER"] == text(p["PHONE_NUMBER"]) &&
			c["TYPE"] == kind && c["USER_ID"] == whole(u["id"]) && c["LINE_NUMBER"] == text(p["LINE_NUMBER"]) {
			return registered(c), nil
		}
	}
	c := row{
		"EXTERNAL_CALL_ID": text(p["EXTERNAL_CALL_ID"]), "PHONE_NUMBER": text(p["PHONE_NUMBER"]), "TYPE": kind, "USER_ID": whole(u["id"]),
		"LINE_NUMBER": text(p["LINE_NUMBER"]), "SHOW": text(p["SHOW"]) != "0", "finished": false,
	}
	s.entityOf(c, p)
	id := s.addLocked("call", c, false)
	made := s.rows["call"][len(s.rows["call"])-1]
	made["CALL_ID"] = fmt.Sprintf("externalCall.%08x.%d", id, now.Unix())
	return registered(made), nil
}

// entityOf links a call to whom it is about, and makes a lead when asked to.
func (s *Server) entityOf(c, p row) {
	c["CRM_ENTITY_TYPE"], c["CRM_ENTITY_ID"] = text(p["CRM_ENTITY_TYPE"]), whole(p["CRM_ENTITY_ID"])
	if c["CRM_ENTITY_TYPE"] != "" {
		return
	}
	if hits := s.byPhone(p["PHONE_NUMBER"]); len(hits) > 0 {
		c["CRM_ENTITY_TYPE"], c["CRM_ENTITY_ID"] = hits[0].kind, hits[0].row["id"]
		return
	}
	if text(p["CRM_CREATE"]) == "1" {
		id := s.addLocked("lead", row{"title": "Звонок", "phone": text(p["PHONE_NUMBER"]), "sourceId": text(p["CRM_SOURCE"])}, false)
		c["CRM_ENTITY_TYPE"], c["CRM_ENTITY_ID"], c["CRM_CREATED_LEAD"] = "LEAD", id, id
	}
}

func registered(c row) row {
	out := row{"CALL_ID": c["CALL_ID"], "CRM_CREATED_LEAD": c["CRM_CREATED_LEAD"], "CRM_CREATED_ENTITIES": []any{}, "CRM_ENTITY_TYPE": c["CRM_ENTITY_TYPE"], "CRM_ENTITY_ID": c["CRM_ENTITY_ID"]}
	if id := c["CRM_CREATED_LEAD"]; id != nil {
		out["CRM_CREATED_ENTITIES"] = []any{row{"ENTITY_TYPE": "LEAD", "ENTITY_ID": id}}
	}
	return out
}

func (s *Server) callOf(p row) row {
	for _, c := range s.rows["call"] {
		if c["CALL_ID"] == text(p["CALL_ID"]) {
			return c
		}
	}
	return nil
}

func (s *Server) finish(p row) (any, *refusal) {
	if _, ok := p["CALL_ID"].(string); !ok {
		return nil, &refusal{400, "INVALID_ARGUMENT", "CALL_ID must be a string"}
	}
	c := s.callOf(p)
	if c == nil || c["finished"] == true {
		return nil, core("Call is not found (call should be registered prior to finishing")
	}
	u, refused := s.employee(p)
	if refused != nil {
		return nil, refused
	}
	status := text(p["STATUS_CODE"])
	if status == "" {
		status = "304"
		if whole(p["DURATION"]) > 0 {
			status = "200"
		}
	}
	if !statusKnown[status] {
		status = "OTHER"
	}
	c["finished"], c["DURATION"], c["STATUS_CODE"], c["FAILED_REASON"], c["USER_ID"] = true, whole(p["DURATION"]), status, text(p["FAILED_REASON"]), whole(u["id"])
	if p["VOTE"] != nil {
		c["VOTE"] = whole(p["VOTE"])
	}
	ok := 0
	if status == "200" {
		ok = 1
	}
	return row{
		"ID": c["id"], "CALL_ID": c["CALL_ID"], "EXTERNAL_CALL_ID": c["EXTERNAL_CALL_ID"], "PORTAL_USER_ID": c["USER_ID"], "PHONE_NUMBER": c["PHONE_NUMBER"],
		"INCOMING": text(c["TYPE"]), "CALL_DURATION": c["DURATION"], "CALL_STATUS": ok, "CALL_FAILED_CODE": status, "CRM_ENTITY_TYPE": c["CRM_ENTITY_TYPE"], "CRM_ENTITY_ID": c["CRM_ENTITY_ID"],
	}, nil
}

func (s *Server) attach(p row) (any, *refusal) {
	c, name, content := s.callOf(p), text(p["FILENAME"]), text(p["FILE_CONTENT"])
	switch {
	case name == "" && text(p["RECORD_URL"]) == "":
		return nil, core("Required parameters are not set. Request should contain or URL or FILENAME parameter")
	case c == nil || c["finished"] != true:
		return nil, core("Call is not found in the statistic table. Looks like it is not finished yet.")
	case !strings.HasSuffix(name, ".wav") && !strings.HasSuffix(name, ".mp3"):
		return nil, core("Wrong file extension. Only wav and mp3 are allowed")
	case content == "" && text(p["RECORD_URL"]) == "":
		return row{"uploadUrl": s.opts.Portal + "/rest/upload.json?auth=" + s.anyAccess() + "&token=" + text(c["CALL_ID"]) + "%7C" + name, "fieldName": "file"}, nil
	}
	data, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return nil, core("File content is not properly encoded. Base64 encoding is expected.")
	}
	c["record"], c["recordBytes"] = name, len(data)
	return row{"FILE_ID": 9000 + whole(c["id"])}, nil
}

func (s *Server) anyAccess() string {
	token, _ := s.issueLocked()
	return token
}

// upload takes the second step of attach.
func (s *Server) upload(p row) (any, *refusal) {
	id, name, _ := strings.Cut(text(p["token"]), "|")
	c := s.callOf(row{"CALL_ID": id})
	size, ok := p["$file"].(int)
	if c == nil || !ok {
		return nil, core("File content is empty.")
	}
	c["record"], c["recordBytes"] = name, size
	return row{"FILE_ID": 9000 + whole(c["id"])}, nil
}

func (s *Server) showing(p row, shown bool) (any, *refusal) {
	c := s.callOf(p)
	if c == nil {
		return nil, core("Call is not found")
	}
	c["SHOW"], c["shownTo"] = shown, p["USER_ID"]
	return true, nil
}

func (s *Server) searchEntities(p row) (any, *refusal) {
	if digits(p["PHONE_NUMBER"]) == "" {
		return nil, core("PHONE_NUMBER is empty")
	}
	out := []any{}
	for _, h := range s.byPhone(p["PHONE_NUMBER"]) {
		entry := row{"CRM_ENTITY_TYPE": h.kind, "CRM_ENTITY_ID": h.row["id"], "ASSIGNED_BY_ID": h.row["assignedById"], "NAME": nameOf(h.row)}
		for _, u := range s.rows["user"] {
			if text(u["id"]) == text(h.row["assignedById"]) {
				entry["ASSIGNED_BY"] = row{
					"ID": text(u["id"]), "TIMEMAN_STATUS": u["SHIFT"], "USER_PHONE_INNER": u["UF_PHONE_INNER"],
					"WORK_PHONE": nil, "PERSONAL_PHONE": nil, "PERSONAL_MOBILE": u["PERSONAL_MOBILE"],
				}
			}
		}
		out = append(out, entry)
	}
	return out, nil
}

func nameOf(r row) string {
	if n := text(r["name"]); n != "" {
		return n
	}
	return text(r["title"])
}
