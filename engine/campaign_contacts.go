package engine

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
)

// maxContactScan is how many contacts one page looks at; a page that stopped
// there may be short and still have a next one.
const maxContactScan = 20_000

// Contact is a contact of a campaign as the API shows it.
type Contact struct {
	campaign.View
	Order string `json:"order"` // of its calls
}

func shownContact(id string, k *campaign.Contact) Contact {
	return Contact{k.View(), campaign.OrderID(id, k.Seq)}
}

// ListContacts implements api.Campaigns: in the order in which they were added.
func (a *surface) ListContacts(id string, q api.ContactQuery) (any, string, error) {
	if err := checkContactQuery(q); err != nil {
		return nil, "", err
	}
	if _, err := a.campaigns.row(id); err != nil {
		return nil, "", err
	}
	if q.Phone != "" {
		return a.contactOfPhone(id, q)
	}
	after, err := contactCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	out := []Contact{}
	for seen := 0; seen < maxContactScan; {
		page, err := a.campaigns.repo.Contacts(id, after, rowBatch)
		if err != nil {
			return nil, "", err
		}
		for _, k := range page {
			if len(out) == q.Limit {
				return out, strconv.FormatUint(after, 10), nil
			}
			after = k.Seq
			if wanted(q, k) {
				out = append(out, shownContact(id, k))
			}
		}
		if seen += len(page); len(page) < rowBatch {
			return out, "", nil
		}
	}
	return out, strconv.FormatUint(after, 10), nil
}

func checkContactQuery(q api.ContactQuery) error {
	switch campaign.ContactState(q.State) {
	case "", campaign.Waiting, campaign.Dialing, campaign.Done:
	default:
		return fault.New(fault.Invalid, "state: there is no state %q", q.State).WithHint("states are waiting, dialing and done")
	}
	if q.Outcome != "" && !call.KnownOutcome(call.Outcome(q.Outcome)) {
		return fault.New(fault.Invalid, "outcome: there is no outcome %q", q.Outcome)
	}
	return nil
}

func contactCursor(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "cursor %q is not one of ours", text)
	}
	return n, nil
}

func wanted(q api.ContactQuery, k *campaign.Contact) bool {
	return (q.State == "" || string(k.State) == q.State) && (q.Outcome == "" || string(k.Outcome) == q.Outcome)
}

func (a *surface) contactOfPhone(id string, q api.ContactQuery) (any, string, error) {
	out := []Contact{}
	seq, ok, err := a.campaigns.repo.SeqOfPhone(id, phone.Normalize(q.Phone, a.e().Config().Project.Country))
	if err != nil || !ok {
		return out, "", err
	}
	k, ok, err := a.campaigns.repo.Contact(id, seq)
	if err == nil && ok && wanted(q, k) {
		out = append(out, shownContact(id, k))
	}
	return out, "", err
}

// keyOf finds a contact by its key or one of its numbers and gives its key.
func (s *campaigns) keyOf(id, name string) (*campaign.Contact, error) {
	for _, find := range []func() (uint64, bool, error){
		func() (uint64, bool, error) { return s.repo.SeqOfKey(id, name) },
		func() (uint64, bool, error) {
			return s.repo.SeqOfPhone(id, phone.Normalize(name, s.e.Config().Project.Country))
		},
	} {
		seq, ok, err := find()
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if k, ok, err := s.repo.Contact(id, seq); err != nil || ok {
			return k, err
		}
	}
	if _, err := s.row(id); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.NotFound, "campaign %s has no contact %q", id, name)
}

// ShowContact implements api.Campaigns.
func (a *surface) ShowContact(id, key string) (any, error) {
	k, err := a.campaigns.keyOf(id, key)
	if err != nil {
		return nil, err
	}
	return shownContact(id, k), nil
}

// PatchContact implements api.Campaigns.
func (a *surface) PatchContact(id, key string, body json.RawMessage) (any, error) {
	e := a.e()
	p, err := e.contactPatch(body)
	if err != nil {
		return nil, err
	}
	row, err := a.campaigns.row(id)
	if err != nil {
		return nil, err
	}
	if p.Data != nil {
		o, err := e.importRules(row, true)
		if err == nil {
			err = o.Check(p.Data)
		}
		if err != nil {
			return nil, err
		}
	}
	k, err := a.campaigns.keyOf(id, key)
	if err == nil {
		err = a.campaigns.use(id, func(c *campaign.Campaign) error {
			k, err = c.Change(k.Key, p)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return shownContact(id, k), nil
}

// contactPatch reads the body of PATCH …/contacts/{key}.
func (e *Engine) contactPatch(body json.RawMessage) (p campaign.ContactPatch, err error) {
	var in struct {
		Phone    string          `json:"phone"`
		Phones   []string        `json:"phones"`
		Zone     *string         `json:"zone"`
		Priority *int            `json:"priority"`
		At       string          `json:"at"`
		Expires  string          `json:"expires"`
		Data     json.RawMessage `json:"data"`
	}
	if err := strictly(body, &in, "phone, phones, zone, priority, at, expires, data"); err != nil {
		return p, err
	}
	if in.Phone != "" {
		in.Phones = slices.Insert(in.Phones, 0, in.Phone)
	}
	for _, text := range in.Phones {
		number := phone.Normalize(text, e.Config().Project.Country)
		if !strings.HasPrefix(number, "+") || !phone.Dialable(number[1:]) {
			return p, fault.New(fault.Invalid, "phones: %q is no phone number", text)
		}
		p.Phones = append(p.Phones, number)
	}
	p.Zone, p.Priority, p.Data = in.Zone, in.Priority, in.Data
	for name, f := range map[string]struct {
		text string
		to   **time.Time
	}{"at": {in.At, &p.At}, "expires": {in.Expires, &p.Expires}} {
		at, err := instant(name, f.text, e.clk.Now())
		if err != nil {
			return p, err
		}
		if f.text != "" {
			*f.to = &at
		}
	}
	return p, nil
}

// DeleteContact implements api.Campaigns.
func (a *surface) DeleteContact(id, key string) error {
	k, err := a.campaigns.keyOf(id, key)
	if err != nil {
		return err
	}
	return a.campaigns.use(id, func(c *campaign.Campaign) error {
		_, err := c.Remove(k.Key)
		return err
	})
}
