package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// MaxCampaignRows is how many campaigns are kept in all, those that are over
// included.
const MaxCampaignRows = 10_000

// Campaign is a campaign as the API shows it.
type Campaign struct {
	ID    string         `json:"id"`
	State campaign.State `json:"state"`
	campaign.Spec
	Reason   string             `json:"reason,omitempty"`
	Created  time.Time          `json:"created_at"`
	Started  time.Time          `json:"started_at,omitzero"`
	Ended    time.Time          `json:"ended_at,omitzero"`
	Counts   campaign.Counts    `json:"counts"`
	Forecast *campaign.Forecast `json:"forecast,omitempty"`
}

func shownCampaign(row campaign.Row) Campaign {
	c := Campaign{
		ID: row.ID, State: row.State, Spec: row.Spec, Reason: row.Reason, Created: row.Created, Started: row.Started, Ended: row.Ended, Counts: row.Counts,
	}
	if c.Counts.Outcomes == nil {
		c.Counts.Outcomes = map[campaign.Outcome]int64{}
	}
	c.Callback = withoutSecret(c.Callback)
	return c
}

// withoutSecret is a callback that may be shown.
func withoutSecret(raw json.RawMessage) json.RawMessage {
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil || o["secret"] == nil {
		return raw
	}
	delete(o, "secret")
	out, _ := json.Marshal(o) // it was JSON before
	return out
}

// campaignAnswer is what commands are answered with.
type campaignAnswer struct {
	ID    string         `json:"id"`
	State campaign.State `json:"state"`
	// Warning is what the owner should know beforehand.
	Warning string `json:"warning,omitempty"`
}

// CreateCampaign implements api.Campaigns.
func (a *surface) CreateCampaign(body json.RawMessage, idempotency string) (any, bool, error) {
	e := a.e()
	var spec campaign.Spec
	if err := strictly(body, &spec, campaignFields); err != nil {
		return nil, false, err
	}
	if err := e.checkCampaign(&spec); err != nil {
		return nil, false, err
	}
	if err := e.admission.ready(); err != nil {
		return nil, false, err
	}
	answer := campaignAnswer{ID: e.newID("outbound"), State: campaign.Draft, Warning: e.warnUnlabelled("campaign", spec.From, spec.Trunk)}
	if idempotency != "" {
		hash := sha256.Sum256(body)
		raw, _ := json.Marshal(answer)
		stood, first, err := e.store.Idempotency(store.Once{Name: "POST /v1/campaigns " + idempotency, BodyHash: hex.EncodeToString(hash[:]), Answer: raw})
		if err != nil {
			return nil, false, err
		}
		if !first {
			_ = json.Unmarshal(stood, &answer)
			if _, found, err := e.campaigns.repo.Row(answer.ID); err != nil || found {
				return answer, false, err
			} // else the process ended before the campaign was there: it is made now
		}
	}
	return answer, true, e.campaigns.create(answer.ID, spec)
}

func (s *campaigns) create(id string, spec campaign.Spec) error {
	n := 0
	if err := s.each(func(campaign.Row) error { n++; return nil }); err != nil {
		return err
	}
	if err := s.room(n); err != nil {
		return err
	}
	c, err := campaign.Create(id, spec, s.deps())
	if err != nil {
		return err
	}
	s.adopt(c)
	return nil
}

// room tells whether one more campaign may be made beside those that are kept.
func (s *campaigns) room(kept int) error {
	if kept >= MaxCampaignRows {
		return fault.New(fault.Limit, "campaigns: %d are kept", MaxCampaignRows)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= MaxCampaigns {
		return fault.New(fault.Limit, "campaigns: %d at once", MaxCampaigns).WithHint("cancel some that are not needed any more")
	}
	return nil
}

// campaignFields are the fields of a campaign, for hints.
const campaignFields = "script, trunk, from, attempts, retry, window, zone, max_calls, max_cps, quiet, holidays, priority, dedupe, daily_cap, " +
	"frequency, timeout, delivered_after, expires, pause_after, stop_when, callback, name"

// strictly reads a JSON object and refuses what it does not know.
func strictly(raw json.RawMessage, into any, fields string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return noZero(raw, "attempts", "max_calls", "timeout")
	}
	return fault.BadJSON(err, fields)
}

// checkCampaign checks what the campaign's own rules cannot know: the script,
// the trunk, the number it presents.
func (e *Engine) checkCampaign(spec *campaign.Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	cfg := e.Config()
	if _, err := e.scripts.Current(spec.Script); err != nil {
		return err
	}
	if spec.From != "" {
		spec.From = phone.Normalize(spec.From, cfg.Project.Country)
	}
	if spec.Trunk != "" {
		t, ok := cfg.Trunk(spec.Trunk)
		if !ok {
			return fault.New(fault.NotFound, "no trunk %q", spec.Trunk).WithHint("trunks are %s", trunkNames(cfg))
		}
		if spec.From != "" && len(t.From) > 0 && !slices.Contains(t.From, spec.From) {
			return fault.New(fault.Denied, "trunk %s may not present %s", t.Name, phone.Mask(spec.From)).WithHint("add it to trunks.%s.from", t.Name)
		}
	}
	if _, err := call.ParseDeliveredAfter(spec.DeliveredAfter); err != nil {
		return err
	}
	_, err := parseCallback(spec.Callback)
	return err
}

// ListCampaigns implements api.Campaigns: newest first.
func (a *surface) ListCampaigns(q api.CampaignQuery) (any, string, error) {
	switch campaign.State(q.State) {
	case "", campaign.Draft, campaign.Running, campaign.Paused, campaign.Completed, campaign.Cancelled:
	default:
		return nil, "", fault.New(fault.Invalid, "state: there is no state %q", q.State).WithHint("states are draft, running, paused, completed and cancelled")
	}
	var rows []campaign.Row
	err := a.campaigns.each(func(row campaign.Row) error {
		if (q.Cursor == "" || row.ID < q.Cursor) && q.May(row.Spec.Script) {
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	slices.Reverse(rows)
	out, next := []Campaign{}, ""
	for _, row := range rows {
		if now, err := a.campaigns.row(row.ID); err == nil {
			row = now // in memory it is newer
		}
		if q.State != "" && string(row.State) != q.State {
			continue
		}
		if len(out) == q.Limit {
			next = out[len(out)-1].ID
			break
		}
		out = append(out, shownCampaign(row))
	}
	return out, next, nil
}

// ShowCampaign implements api.Campaigns.
func (a *surface) ShowCampaign(id string) (any, error) {
	row, err := a.campaigns.row(id)
	if err != nil {
		return nil, err
	}
	out := shownCampaign(row)
	switch row.State {
	case campaign.Draft, campaign.Running, campaign.Paused:
		err = a.campaigns.use(id, func(c *campaign.Campaign) error {
			f, err := c.Forecast(a.e().assumptions(row))
			out.Forecast = &f
			return err
		})
	}
	return out, err
}

// CampaignScript implements api.Campaigns.
func (a *surface) CampaignScript(id string) (string, error) {
	row, err := a.campaigns.row(id)
	return row.Spec.Script, err
}

// PatchCampaign implements api.Campaigns.
func (a *surface) PatchCampaign(id string, body json.RawMessage) (any, error) {
	var p campaign.Patch
	const fields = "attempts, retry, window, quiet, holidays, zone, max_calls, max_cps, daily_cap, frequency, expires, pause_after, stop_when, trunk, from, name"
	if err := strictly(body, &p, fields); err != nil {
		return nil, err
	}
	row, err := a.campaigns.row(id)
	if err != nil {
		return nil, err
	}
	spec, err := p.On(row.Spec)
	if err == nil {
		err = a.e().checkCampaign(&spec)
	}
	if err != nil {
		return nil, err
	}
	if p.From != nil {
		p.From = &spec.From // as it was normalised
	}
	err = a.campaigns.use(id, func(c *campaign.Campaign) error {
		row, err = c.Patch(p)
		return err
	})
	return shownCampaign(row), err
}

// CommandCampaign implements api.Campaigns.
func (a *surface) CommandCampaign(id, command string, body json.RawMessage) (any, error) {
	var o struct {
		PauseAfter *int `json:"pause_after"`
	}
	var row campaign.Row
	fields := "none"
	if command == api.CampaignStart || command == api.CampaignResume {
		fields = "pause_after"
	}
	if err := strictly(body, &o, fields); err != nil {
		return nil, err
	}
	err := a.campaigns.use(id, func(c *campaign.Campaign) (err error) {
		if o.PauseAfter != nil {
			if _, err = c.Patch(campaign.Patch{PauseAfter: o.PauseAfter}); err != nil {
				return err
			}
		}
		switch command {
		case api.CampaignStart:
			if _, err = a.scripts.Current(c.Row().Spec.Script); err == nil {
				row, err = c.Start()
			}
		case api.CampaignPause:
			row, err = c.Pause()
		case api.CampaignResume:
			row, err = c.Resume()
		case api.CampaignCancel:
			row, err = c.Cancel()
		}
		return err
	})
	return campaignAnswer{ID: id, State: row.State}, err
}

// ImportContacts implements api.Campaigns.
func (a *surface) ImportContacts(ctx context.Context, id string, in api.Import) (any, error) {
	e := a.e()
	var report campaign.Report
	err := a.campaigns.use(id, func(c *campaign.Campaign) error {
		o, err := e.importRules(c.Row(), in.Strict)
		if err != nil {
			return err
		}
		sink := campaign.Sink(c.Add)
		if in.Dry {
			sink = func(list []campaign.Entry) (campaign.Added, error) { return campaign.Added{Accepted: len(list)}, nil }
		}
		report, err = campaign.Import(ctx, in.Body, in.Format, o, sink)
		return err
	})
	if err != nil && !(in.Strict && report.Refused > 0) {
		return nil, err
	}
	if report.Rejected == nil {
		report.Rejected = []campaign.Refusal{}
	}
	return report, err // strict, and the bad rows
}

// Rehearse implements api.Campaigns: what would happen if it were started now.
func (a *surface) Rehearse(ctx context.Context, id string) (any, error) {
	var d campaign.DryRun
	err := a.campaigns.use(id, func(c *campaign.Campaign) (err error) {
		d, err = c.DryRun(ctx, a.e().assumptions(c.Row()))
		return err
	})
	return d, err
}

// assumptions are what forecasts go by: the lines that the trunk has for it.
func (e *Engine) assumptions(row campaign.Row) campaign.Assumptions {
	t, ok := e.Config().Trunk(row.Spec.Trunk)
	if !ok {
		return campaign.Assumptions{}
	}
	return campaign.Assumptions{Lines: t.MaxOut}
}

// importRules are how rows are read for a campaign.
func (e *Engine) importRules(row campaign.Row, strict bool) (campaign.ImportOptions, error) {
	cfg := e.Config()
	v, err := e.scripts.Current(row.Spec.Script)
	if err != nil {
		return campaign.ImportOptions{}, err
	}
	st := e.settings.of(v)
	return campaign.ImportOptions{
		Strict: strict, Country: cfg.Project.Country, Zone: cfg.Project.Zone, Now: e.clk.Now(),
		Check: func(data json.RawMessage) error {
			if len(data) == 0 {
				data = json.RawMessage("{}")
			}
			return st.CheckData(data, cfg.Project.Country)
		},
	}, nil
}

// CampaignReport implements api.Campaigns.
func (a *surface) CampaignReport(ctx context.Context, id, format string, w io.Writer) error {
	if _, err := a.campaigns.row(id); err != nil {
		return err
	}
	return campaign.WriteReport(ctx, w, format, a.campaigns.repo, id)
}
