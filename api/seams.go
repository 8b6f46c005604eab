package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Calls are ordered and running calls.
type Calls interface {
	// Place orders a call; body is one JSON object. created is false when an
	// order with the same key stood already. A request that is repeated under its
	// idempotency key is answered as it was the first time.
	Place(body json.RawMessage, idempotency string) (answer any, created bool, err error)
	// Show is the last record of a call or order, with the order's state.
	Show(id string) (any, error)
	List(q Query) (rows []json.RawMessage, next string, err error)
	Timeline(id string) (any, error)
	// Ladder is the SIP messages of a call, and Capture writes them as a pcap file.
	Ladder(id string) (any, error)
	Capture(id string, w io.Writer) error
	Cancel(id string) error
	// OpenOrder is the id of the open order that has the key.
	OpenOrder(key string) (id string, err error)
	// ScriptOf is the script of a call, order or recording; "" if a route
	// connected it without one.
	ScriptOf(id string) (script string, err error)
	Command(id string, body json.RawMessage) (any, error)
}

// Conferences are calls that hear each other. Names belong to the whole project.
type Conferences interface {
	Conferences() any
	Conference(name string) (any, error)
	// ConferenceCommand acts on a conference or one of its members.
	ConferenceCommand(name string, body json.RawMessage) (any, error)
}

// Recording is a stored file.
type Recording struct {
	File io.ReadSeekCloser
	Name string // with the extension of its format
	Type string // audio/wav, audio/ogg, audio/mpeg
	At   time.Time
}

// Recordings are stored files.
type Recordings interface {
	Recording(id string) (Recording, error)
	CheckLink(id, until, sig string) bool
}

// Scripts are the script versions.
type Scripts interface {
	// Scripts lists those that may be seen.
	Scripts(may func(script string) bool) any
}

// Deployments change which version of a script calls get.
type Deployments interface {
	// Versions are all that can be rolled back to, and those in use.
	Versions(script string) (any, error)
	// Rollout carries a command out and answers with the script's plan.
	Rollout(script, command string, o Rollout) (any, error)
	// Upload builds the files first: a broken upload changes nothing.
	Upload(ctx context.Context, script string, files []File) (any, error)
	Remove(ctx context.Context, script string) error
}

// KV is the scripts' key-value space.
type KV interface {
	Get(key string) (value json.RawMessage, ok bool, err error)
	Set(key string, value json.RawMessage, ttl time.Duration) error
	Delete(key string) (bool, error)
	ListKV(prefix string, limit int, after string) (items any, next string, err error)
}

// Hooks run a script's onRequest.
type Hooks interface {
	Hook(ctx context.Context, script string, r HookRequest) (HookAnswer, error)
}

// Installs takes the tokens of applications in other systems.
type Installs interface {
	InstallBitrix24(ctx context.Context, fields url.Values) error
}

// HookRequest is a request for a script.
type HookRequest struct {
	Method  string         `json:"method"`
	Path    string         `json:"path"`
	Query   map[string]any `json:"query"` // a text, or a list of them
	Headers [][2]string    `json:"headers"`
	Body    []byte         `json:"body"`
	IP      string         `json:"ip"`
}

// HookAnswer is a script's answer.
type HookAnswer struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// Feed is the live events.
type Feed interface {
	// Types are those that events may have.
	Types() []string
	// Listen returns what came after the event of that number, and a channel of
	// what follows, which is closed when the listener is too slow.
	Listen(after uint64) (past []FeedItem, next <-chan FeedItem, stop func(), err error)
}

// FeedItem is one live event.
type FeedItem struct {
	ID    uint64
	Type  string
	Order string
	Call  string // "" if the order never became a call
	// Campaign of its own events and of its calls, "" for none; Script of those
	// without an order.
	Campaign, Script string
	Body             json.RawMessage // one line
}

// Outbox is what waits for delivery.
type Outbox interface {
	Outbox(state string, limit int, cursor string) (items any, next string, err error)
	RetryDelivery(id string) error
}

// Trunks are the providers.
type Trunks interface {
	Trunks() any
	// CheckTrunk sends our OPTIONS and REGISTER and tells the answers in words.
	CheckTrunk(name string) (any, error)
}

// Bans are the sources that are not heard for a while.
type Bans interface {
	Bans() any
	// LiftBan ends the ban of an address; was is false when there is none.
	LiftBan(source string) (was bool, err error)
}

// StopList is the numbers that are not dialled on our own account.
type StopList interface {
	StopList(limit int, after string) (list any, next string, err error)
	Stopped(phone string) (any, error)
	// Stop answers once the number is on disk; expires is a time, a duration
	// from now, or "" for good.
	Stop(phone, reason, expires string) (any, error)
	Unstop(phone string) (was bool, err error)
}

// Campaigns are lists of people to call.
type Campaigns interface {
	CreateCampaign(body json.RawMessage, idempotency string) (answer any, created bool, err error)
	ListCampaigns(q CampaignQuery) (list any, next string, err error)
	ShowCampaign(id string) (any, error)
	// CampaignScript is the script of a campaign.
	CampaignScript(id string) (string, error)
	// PatchCampaign changes limits and rules of a campaign, also while it runs.
	PatchCampaign(id string, body json.RawMessage) (any, error)
	// CommandCampaign starts, pauses, resumes or cancels.
	CommandCampaign(id, command string, body json.RawMessage) (any, error)
	ImportContacts(ctx context.Context, id string, in Import) (any, error)
	ListContacts(id string, q ContactQuery) (rows any, next string, err error)
	ShowContact(id, key string) (any, error)
	PatchContact(id, key string, body json.RawMessage) (any, error)
	DeleteContact(id, key string) error
	// Rehearse tells what would happen if the campaign were started now.
	Rehearse(ctx context.Context, id string) (any, error)
	CampaignReport(ctx context.Context, id, format string, w io.Writer) error
	// Why explains a number: its orders and its place in every campaign.
	Why(phone string) (any, error)
}

// CampaignQuery selects campaigns.
type CampaignQuery struct {
	State  string
	Limit  int
	Cursor string
	May    func(script string) bool // whose campaigns may be seen
}

// ContactQuery selects contacts of a campaign.
type ContactQuery struct {
	State, Outcome, Phone string
	Limit                 int
	Cursor                string
}

// Import is a list of contacts on its way into a campaign.
type Import struct {
	Body   io.Reader
	Format string // json, ndjson, csv; "" is found out from the body
	Strict bool   // one bad row refuses all
	Dry    bool   // nothing is kept: what would happen
}

// People are those whom calls were about.
type People interface {
	// ErasePerson removes everything that is known of a number and tells how
	// much that was.
	ErasePerson(number string) (any, error)
}

// Backups are copies of the whole state.
type Backups interface {
	// Backup writes one as of this moment.
	Backup(w io.Writer) error
}

// Audit is the log of what was changed through the API.
type Audit interface {
	// Note adds an entry; it does not wait for the disk.
	Note(AuditEntry)
	Audit(since time.Time, limit int, cursor string) (list []AuditEntry, next string, err error)
}

// AuditEntry is one request that may have changed something.
type AuditEntry struct {
	At     time.Time `json:"at"`
	Token  string    `json:"token"` // name of the token
	IP     string    `json:"ip,omitempty"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // numbers are masked
	Status int       `json:"status"`
	Detail string    `json:"detail,omitempty"` // what was ordered, commanded, …
}

// Health tells whether calls can be taken.
type Health interface {
	Ready() error
	// Waiting lists the listeners of SIP whose address the machine does not have yet.
	Waiting() []string
}

// Query selects records.
type Query struct {
	State, Outcome, Script, Campaign, Trunk, To, From, Key string
	Tags                                                   map[string]string
	Since, Until                                           time.Time
	Limit                                                  int
	Cursor                                                 string
}

// Token is a bearer token and what it may do. Empty lists are everything.
type Token struct {
	Name, Token string
	Allow       []string // calls, campaigns, kv, read, scripts, stoplist
	Scripts     []string // that it may start or see
}

// Options wire the handler.
type Options struct {
	Calls       Calls
	Recordings  Recordings
	Conferences Conferences
	Scripts     Scripts
	Deployments Deployments
	KV          KV
	Flows       Flows
	Hooks       Hooks
	Installs    Installs
	Feed        Feed
	Outbox      Outbox
	Trunks      Trunks
	Sources     Bans
	Groups      Groups
	People      People
	Backups     Backups
	Audit       Audit
	StopList    StopList
	Campaigns   Campaigns
	Health      Health
	Metrics     http.Handler
	Tokens      func() []Token // asked for each request: a reload changes them
	MaxBody     int64
	MaxUpload   int64 // of an uploaded script, packed and unpacked
	MaxImport   int64 // of contacts, which are never held as a whole
	Version     string
	Log         *slog.Logger // of what clients are not told; nil discards
	Clock       clock.Clock  // of the events' keep-alive; nil is the machine's
}
