package host

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
)

// Caller is who a number belongs to.
type Caller struct {
	Known     bool     `json:"known"`
	Available bool     `json:"available"`       // the portal has answered; else the rest is what it said before
	Error     string   `json:"error,omitempty"` // why it has not
	Type      string   `json:"type,omitempty"`  // contact, company, lead
	ID        int      `json:"id,omitempty"`
	Name      string   `json:"name,omitempty"`
	Manager   *Manager `json:"manager,omitempty"`
}

// Manager is the employee who is responsible.
type Manager struct {
	ID      int    `json:"id"`
	Inner   string `json:"inner,omitempty"`  // inner number
	Mobile  string `json:"mobile,omitempty"` // E.164
	OnShift bool   `json:"onShift"`
	Shift   string `json:"shift"` // opened, paused, closed, expired, unknown
	// Target is what call.connect takes: a user of loopstart.yaml with that
	// inner number, else the mobile phone.
	Target string `json:"target,omitempty"`
}

// found is one row of searchCrmEntities.
type found struct {
	Type     string  `json:"CRM_ENTITY_TYPE"`
	ID       integer `json:"CRM_ENTITY_ID"`
	Name     string  `json:"NAME"`
	Assigned *struct {
		ID     integer        `json:"ID"`
		Shift  string         `json:"TIMEMAN_STATUS"`
		Inner  connector.Text `json:"USER_PHONE_INNER"`
		Work   connector.Text `json:"WORK_PHONE"`
		Own    connector.Text `json:"PERSONAL_PHONE"`
		Mobile connector.Text `json:"PERSONAL_MOBILE"`
	} `json:"ASSIGNED_BY"`
}

// integer is a number that PHP may have written as text.
type integer int

// UnmarshalJSON implements json.Unmarshaler.
func (n *integer) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" || s == "false" {
		*n = 0
		return nil
	}
	i, err := strconv.Atoi(s)
	*n = integer(i)
	return err
}

// rank orders what one number belongs to.
var rank = map[string]int{"CONTACT": 0, "COMPANY": 1, "LEAD": 2}

// caller looks a number up. A portal that is slow, absent or refuses us is no
// error: a call must go on.
func (c *Connector) caller(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Phone     string
		TimeoutMs int64
	}](module, args)
	if err != nil {
		return nil, err
	}
	to := phone.Normalize(a.Phone, c.serv.Country)
	if !strings.HasPrefix(to, "+") {
		return Caller{Available: true}, nil // hidden numbers and names belong to nobody
	}
	in, stop := connector.LookingUp(ctx, c.serv.Clock, a.TimeoutMs)
	defer stop()
	res, err := c.Call(in, "telephony.externalCall.searchCrmEntities", map[string]any{"PHONE_NUMBER": to}, true)
	if err != nil {
		return c.remembered(to, err), nil
	}
	var rows []found
	if err := json.Unmarshal(res.Result, &rows); err != nil {
		return c.remembered(to, fault.New(fault.Unavailable, "bitrix24: the answer to the look-up cannot be read")), nil
	}
	who := c.whoIs(rows)
	connector.Remember(c.serv.KV, callerKey(to), who)
	return who, nil
}

func callerKey(phone string) string { return "bitrix24:caller:" + phone }

// remembered is what the portal said the last time.
func (c *Connector) remembered(phone string, why error) Caller {
	who := connector.Recall[Caller](c.serv.KV, callerKey(phone))
	who.Available, who.Error = false, why.Error()
	if who.Manager != nil {
		who.Manager.Shift, who.Manager.OnShift = "unknown", true // of another day
	}
	c.serv.Log.Warn("bitrix24: the caller was not looked up", "known", who.Known, "err", why)
	return who
}

// whoIs chooses among the rows: a contact before a company before a lead.
func (c *Connector) whoIs(rows []found) Caller {
	rows = slices.DeleteFunc(rows, func(f found) bool { _, ok := rank[f.Type]; return !ok || f.ID == 0 })
	if len(rows) == 0 {
		return Caller{Available: true}
	}
	slices.SortStableFunc(rows, func(a, b found) int { return cmp.Compare(rank[a.Type], rank[b.Type]) })
	f := rows[0]
	who := Caller{Known: true, Available: true, Type: strings.ToLower(f.Type), ID: int(f.ID), Name: f.Name}
	if m := f.Assigned; m != nil && m.ID != 0 {
		mobile := phone.Normalize(cmp.Or(string(m.Mobile), string(m.Own), string(m.Work)), c.serv.Country)
		if !strings.HasPrefix(mobile, "+") {
			mobile = ""
		}
		who.Manager = &Manager{ID: int(m.ID), Inner: string(m.Inner), Mobile: mobile, Target: c.serv.Target(string(m.Inner), mobile)}
		who.Manager.Shift, who.Manager.OnShift = shift(m.Shift)
	}
	return who
}

// shift reads TIMEMAN_STATUS. Where working time is not kept nobody is off.
func shift(status string) (name string, on bool) {
	switch status {
	case "OPENED":
		return "opened", true
	case "PAUSED", "CLOSED", "EXPIRED":
		return strings.ToLower(status), false
	}
	return "unknown", true // UNAVAILABLE, NOT_INSTALLED
}
