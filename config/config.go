// Package config is loopstart.yaml: the structs, their defaults, the strict
// reader, the checks that need no running system, and the JSON Schema.
//
// The structs are the single source: a field's tags name its key (yaml), its
// default (default), its allowed words (enum), its range (range), what it
// means (doc) and, where a key is known but its part is not built, which part
// that is (later). Decoder, `config show`, `config schema` and the notices of
// `check` all read the same tags.
//
// Precedence: Options.Overrides (flags) > LOOPSTART_<SECTION>_<KEY> > file >
// default.
//
// # Concurrency
//
// A Config is immutable once Load returned it and may be shared.
//
// # Limits
//
// The file may have MaxFileBytes and MaxNodes nodes; at most MaxProblems
// errors are listed.
//
// # Errors
//
// Load returns Problems: every error of the file at once, each a *fault.Error
// with place, caret frame and hint, all with fault.ExitConfig. The text of a
// secret never stands in an error.
package config

import (
	"path/filepath"
	"strings"
	"time"
)

// Config is the whole of loopstart.yaml with its defaults filled in.
type Config struct {
	Project    Project    `yaml:"project" doc:"Country, zone and language of numbers, times and prompts."`
	SIP        SIP        `yaml:"sip" doc:"Where SIP is listened to, and who may use it."`
	Media      Media      `yaml:"media" doc:"RTP ports and codecs."`
	Trunks     []Trunk    `yaml:"trunks,keyed" doc:"Providers and PBXs, in the order in which they are tried."`
	Numbers    []Number   `yaml:"numbers,keyed" doc:"Our caller numbers, E.164: who they are registered to."`
	Groups     []Group    `yaml:"groups,keyed" doc:"People who are rung together."`
	Schedules  []Schedule `yaml:"schedules,keyed" doc:"Opening hours by name."`
	Routes     []Route    `yaml:"routes" doc:"What happens with an incoming call; the first match wins."`
	Scripts    Scripts    `yaml:"scripts" doc:"The scripts folder, isolation and limits by script."`
	Store      Store      `yaml:"store" doc:"Where state is kept."`
	HTTP       HTTP       `yaml:"http" doc:"API, hooks and console."`
	HTTPClient HTTPClient `yaml:"http_client" doc:"How scripts, prompts by URL and deliveries reach HTTPS servers."`
	Speech     Speech     `yaml:"speech" doc:"Speech synthesis and recognition."`
	Webhooks   []Webhook  `yaml:"webhooks" doc:"Who is told about every call."`
	Outbox     Outbox     `yaml:"outbox" doc:"How fast deliveries go to one host."`
	Bitrix24   *Bitrix24  `yaml:"bitrix24" doc:"Portal of loopstart:bitrix24."`
	RetailCRM  *RetailCRM `yaml:"retailcrm" doc:"Account of loopstart:retailcrm."`
	Limits     Limits     `yaml:"limits" doc:"Limits of the whole system."`
	Recordings Recordings `yaml:"recordings" doc:"Where recordings go and how long they stay."`
	Keep       Keep       `yaml:"keep" doc:"How long records stay."`
	Secrets    []Entry    `yaml:"secrets,keyed" doc:"What scripts get from secrets.get(name)."`
	Log        Log        `yaml:"log" doc:"Log level and format."`

	// Path is the file that was read, "" for defaults only; Dir is the project
	// folder: relative paths of the config are relative to it.
	Path string `yaml:"-"`
	Dir  string `yaml:"-"`

	places  map[string]place // by key path, for errors found after decoding
	notices []Notice
}

// Names reports whether the file or the environment has a key, such as
// "media.timeout"; else its value is the default.
func (c *Config) Names(path string) bool {
	_, ok := c.places[path]
	return ok
}

// file is the name of the config in places.
func (c *Config) file() string {
	if c.Path == "" {
		return FileName
	}
	return filepath.Base(c.Path)
}

// Project is where numbers, times and words belong.
type Project struct {
	Country  string `yaml:"country" default:"RU" doc:"ISO 3166 country whose national numbers become E.164."`
	Zone     string `yaml:"zone" default:"Europe/Moscow" doc:"IANA time zone."`
	Language string `yaml:"language" default:"ru-RU" doc:"BCP 47 language of prompts."`
}

// Media is the part of the RTP engine that a user may set.
type Media struct {
	Ports   PortRange     `yaml:"ports" default:"40000-49999" doc:"UDP ports of RTP (even) and RTCP (odd)."`
	Codecs  []string      `yaml:"codecs" some:"leave the key out for all" default:"[PCMA, PCMU, G722, opus]" enum:"PCMA PCMU G722 opus" doc:"Codecs in order of preference."`
	Timeout time.Duration `yaml:"timeout" least:"100ms" default:"30s" off:"yes" doc:"A call without any RTP for so long is ended; off: never. By default the time begins with the first packet, when the key is set with the answer."`
}

// Scripts is the scripts folder and how scripts are run.
type Scripts struct {
	Dir       string         `yaml:"dir" default:"scripts" doc:"Folder of the scripts."`
	Isolation string         `yaml:"isolation" default:"script" enum:"script core" doc:"script: a worker process per script; core: shared workers."`
	Limits    []ScriptLimits `yaml:"limits,keyed" doc:"Limits by script name."`
}

// ScriptLimits are the limits of all calls of one script; 0 means none beyond
// the system's.
type ScriptLimits struct {
	Name         string        `yaml:"-"`
	Calls        int           `yaml:"calls" range:"0..1000000" doc:"Calls at once."`
	CPS          float64       `yaml:"cps" range:"0..10000" doc:"New calls a second."`
	CallDuration time.Duration `yaml:"call_duration" least:"100ms" zero:"yes" doc:"Longest call."`
	CostPerDay   float64       `yaml:"cost_per_day" range:"0..1000000000" doc:"Spending a day on outgoing calls, by trunks.X.rates; 0: no cap."`
}

// Store says where state is kept.
type Store struct {
	Dir string `yaml:"dir" default:"data" doc:"Folder of the embedded store."`
	URL string `yaml:"url" later:"a shared store is" doc:"nats:// URL of a cluster."`
}

// Recordings says where recordings go.
type Recordings struct {
	Dir    string        `yaml:"dir" default:"recordings" doc:"Folder of the recordings."`
	Format string        `yaml:"format" default:"wav" enum:"wav mp3 ogg" doc:"What recordings become when they are over; mp3 needs lame or ffmpeg."`
	Stereo bool          `yaml:"stereo" default:"true" doc:"Caller left, other side right."`
	Keep   time.Duration `yaml:"keep" least:"100ms" default:"90d" doc:"Files older than this are deleted."`
}

// Keep says how long records stay in the store.
type Keep struct {
	Calls     time.Duration `yaml:"calls" least:"100ms" default:"1y" doc:"Call records."`
	Timelines time.Duration `yaml:"timelines" least:"100ms" default:"90d" doc:"Timelines of calls."`
	Contacts  time.Duration `yaml:"contacts" least:"100ms" default:"180d" doc:"Campaigns that are over, with their contacts."`
	Audit     time.Duration `yaml:"audit" least:"100ms" default:"1y" doc:"The log of writes through the API."`
	Outbox    time.Duration `yaml:"outbox" least:"100ms" default:"30d" doc:"Deliveries that failed for good."`
}

// Outbox says how fast deliveries go to one host.
type Outbox struct {
	AtOnce int          `yaml:"at_once" default:"4" range:"1..32" doc:"Deliveries to one host at once."`
	Rate   float64      `yaml:"rate" range:"0..10000" doc:"Deliveries to one host a second; 0: no limit."`
	Hosts  []OutboxHost `yaml:"hosts,keyed" doc:"Other figures by host or host:port: {crm.example.ru: {rate: 2}}."`
}

// OutboxHost are the figures of one host; 0 means those of all.
type OutboxHost struct {
	Name   string  `yaml:"-"`
	AtOnce int     `yaml:"at_once" range:"0..32" doc:"Deliveries at once."`
	Rate   float64 `yaml:"rate" range:"0..10000" doc:"Deliveries a second."`
}

// Share is what a host of deliveries may have.
func (o Outbox) Share(host string) (atOnce int, rate float64) {
	atOnce, rate = o.AtOnce, o.Rate
	for _, h := range o.Hosts {
		if !strings.EqualFold(h.Name, host) {
			continue
		}
		if h.AtOnce > 0 {
			atOnce = h.AtOnce
		}
		if h.Rate > 0 {
			rate = h.Rate
		}
	}
	return atOnce, rate
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level" default:"info" enum:"debug info warn error" doc:"Lowest level that is written."`
	Format string `yaml:"format" default:"auto" enum:"auto text json" doc:"auto: text on a terminal, else JSON."`
}

// Entry is one named secret.
type Entry struct {
	Name  string `yaml:"-"`
	Value Secret `yaml:",inline"`
}

// Number is the label of a number of ours that calls present.
type Number struct {
	Name     string `yaml:"-"` // the number, E.164
	Label    string `yaml:"name" required:"yes" doc:"Whom the number is registered to."`
	Contract string `yaml:"contract" doc:"The contract with the operator."`
}

// Number returns the label of a number in E.164.
func (c *Config) Number(number string) (*Number, bool) {
	for i := range c.Numbers {
		if c.Numbers[i].Name == number {
			return &c.Numbers[i], true
		}
	}
	return nil, false
}

// Trunk returns the trunk of that name.
func (c *Config) Trunk(name string) (*Trunk, bool) {
	for i := range c.Trunks {
		if c.Trunks[i].Name == name {
			return &c.Trunks[i], true
		}
	}
	return nil, false
}

// Group returns the group of that name.
func (c *Config) Group(name string) (*Group, bool) {
	for i := range c.Groups {
		if c.Groups[i].Name == name {
			return &c.Groups[i], true
		}
	}
	return nil, false
}

// User returns the SIP user of that name.
func (c *Config) User(name string) (*User, bool) {
	for i := range c.SIP.Users {
		if c.SIP.Users[i].Name == name {
			return &c.SIP.Users[i], true
		}
	}
	return nil, false
}

// Schedule returns the schedule of that name.
func (c *Config) Schedule(name string) (*Schedule, bool) {
	for i := range c.Schedules {
		if c.Schedules[i].Name == name {
			return &c.Schedules[i], true
		}
	}
	return nil, false
}

// Secret returns a value of the secrets section.
func (c *Config) Secret(name string) (Secret, bool) {
	for _, e := range c.Secrets {
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

// ScriptLimits returns the limits of a script; without any they are zero.
func (c *Config) ScriptLimits(script string) ScriptLimits {
	for _, l := range c.Scripts.Limits {
		if l.Name == script {
			return l
		}
	}
	return ScriptLimits{Name: script}
}

// Location is the project's time zone.
func (c *Config) Location() *time.Location {
	if loc, err := time.LoadLocation(c.Project.Zone); err == nil {
		return loc
	}
	return time.UTC // Load refused an unknown zone; only a hand-made Config comes here
}
