package config

import "time"

// Limits are the limits of the whole system; every one has a default.
type Limits struct {
	Calls          int           `yaml:"calls" default:"2000" range:"1..1000000" doc:"Calls at once; more get 503."`
	CPS            float64       `yaml:"cps" default:"100" range:"0.01..100000" doc:"New calls a second."`
	CallDuration   time.Duration `yaml:"call_duration" least:"100ms" default:"2h" doc:"Longest call."`
	Ring           time.Duration `yaml:"ring" least:"100ms" default:"60s" doc:"Longest ringing of an outgoing call."`
	DeadAir        time.Duration `yaml:"dead_air" least:"100ms" default:"30s" off:"yes" doc:"Answered calls in which nobody hears anything for so long raise an alarm, or off."`
	Drain          time.Duration `yaml:"drain" least:"100ms" zero:"yes" default:"5m" doc:"How long a stopping process waits for its calls."`
	ScriptCPU      time.Duration `yaml:"script_cpu" least:"5ms" default:"200ms" doc:"CPU time of one slice of a script."`
	ScriptHeap     Bytes         `yaml:"script_heap" default:"64MB" range:"1048576..17179869184" doc:"Allocation budget of one call."`
	ScriptStack    int           `yaml:"script_stack" default:"512" range:"32..100000" doc:"Depth of nested function calls."`
	ScriptTimers   int           `yaml:"script_timers" default:"1000" range:"1..100000" doc:"Pending timers of one call."`
	ScriptRequests int           `yaml:"script_requests" default:"64" range:"1..10000" doc:"Pending verbs and HTTP requests of one call."`
	ScriptLog      Bytes         `yaml:"script_log" default:"64KB" range:"1024..1073741824" doc:"Log text of one call; the rest is counted and dropped."`
	ScriptGrace    time.Duration `yaml:"script_grace" least:"10ms" zero:"yes" default:"5s" doc:"How long a script may go on after the hang-up."`
	ScriptStart    time.Duration `yaml:"script_start" least:"100ms" default:"10s" doc:"How long a worker may take to start."`
	AfterCall      time.Duration `yaml:"after_call" least:"100ms" default:"30s" doc:"Longest run of afterCall."`
	Hook           time.Duration `yaml:"hook" least:"100ms" default:"10s" doc:"Longest run of onRequest."`
	OnSchedule     time.Duration `yaml:"on_schedule" least:"100ms" default:"5m" doc:"Longest run of onSchedule."`
	FetchTimeout   time.Duration `yaml:"fetch_timeout" least:"10ms" default:"30s" doc:"Longest fetch."`
	FetchBody      Bytes         `yaml:"fetch_body" default:"4MB" range:"1024..1073741824" doc:"Body of a fetch, each way."`
	HTTPBody       Bytes         `yaml:"http_body" default:"1MB" range:"1024..1073741824" doc:"Body of an API or hook request."`
	ScriptUpload   Bytes         `yaml:"script_upload" default:"16MB" range:"1024..67108864" doc:"Files of an uploaded script, packed and unpacked."`
	ScriptFetches  int           `yaml:"script_fetches" default:"256" range:"1..100000" doc:"HTTP requests of one script at once, of all its calls together."`
	Streams        int           `yaml:"streams" default:"200" range:"0..100000" doc:"Media streams (call.stream) at once."`
	Rooms          int           `yaml:"conferences" default:"200" range:"1..4000" doc:"Conferences at once."`
	RoomMembers    int           `yaml:"conference_members" default:"100" range:"2..100" doc:"Parties in one conference."`
	KVValue        Bytes         `yaml:"kv_value" default:"256KB" range:"64..1048576" doc:"One value of kv, in bytes of JSON."`
	Prompts        Bytes         `yaml:"prompts" default:"256MB" range:"1048576..1099511627776" doc:"Memory of loaded prompts."`
	Recording      time.Duration `yaml:"recording" least:"100ms" default:"2h" doc:"Longest recording."`
	Import         Bytes         `yaml:"import" default:"1GB" range:"1024..1099511627776" doc:"Body of a request that adds contacts to a campaign; it is never held as a whole."`
	Outbox         int           `yaml:"outbox" default:"100000" range:"1..100000000" doc:"Deliveries waiting in the outbox."`
}
