package api

import (
	"net/http"
	"slices"
	"strings"
)

// Rights that a token may name in allow.
const (
	rightCalls  = "calls"
	rightRead   = "read"
	rightKV     = "kv"
	rightDeploy = "scripts"

	rightCampaigns = "campaigns"
	rightStopList  = "stoplist"
	rightPeople    = "people"
	rightAudit     = "audit"
	rightBackup    = "backup"
)

// route is one line of the surface.
type route struct {
	pattern string // as http.ServeMux takes it; without a method it takes all
	right   string // what a token must allow; "" needs no token
	whole   bool   // not for tokens that are limited to some scripts
	public  bool   // also on the public listener, and for pages of other sites
	query   string // parameters it takes, by blanks; "*" is any
	large   bool   // its body may be as long as MaxUpload
	stream  bool   // its body is read by its handler, as it comes
	handle  func(*server, http.ResponseWriter, *http.Request) error
}

// routes is the whole surface.
var routes = []route{
	{pattern: "POST /v1/calls", right: rightCalls, query: "*", handle: (*server).placeCall},
	{pattern: "GET /v1/calls", right: rightRead, query: "*", handle: (*server).listCalls},
	{pattern: "DELETE /v1/calls", right: rightCalls, query: "key", handle: (*server).cancelKey},
	{pattern: "GET /v1/calls/{id}", right: rightRead, handle: (*server).showCall},
	{pattern: "DELETE /v1/calls/{id}", right: rightCalls, handle: (*server).cancelCall},
	{pattern: "GET /v1/calls/{id}/timeline", right: rightRead, handle: (*server).timeline},
	{pattern: "GET /v1/calls/{id}/sip", right: rightRead, handle: (*server).ladder},
	{pattern: "GET /v1/calls/{id}/sip.pcap", right: rightRead, handle: (*server).capture},
	{pattern: "GET /v1/calls/{id}/recording", right: rightRead, handle: (*server).recording},
	{pattern: "POST /v1/calls/{id}/commands", right: rightCalls, query: "*", handle: (*server).command},
	{pattern: "GET /v1/conferences", right: rightRead, whole: true, handle: (*server).conferences},
	{pattern: "GET /v1/conferences/{name}", right: rightRead, whole: true, handle: (*server).conference},
	{pattern: "POST /v1/conferences/{name}/commands", right: rightCalls, whole: true, handle: (*server).commandConference},
	{pattern: "GET /v1/recordings/{id}", public: true, query: "until sig", handle: (*server).linkedRecording},
	{pattern: "GET /v1/bitrix24/install", public: true, query: "*", handle: (*server).installBitrix24},
	{pattern: "POST /v1/bitrix24/install", public: true, query: "*", handle: (*server).installBitrix24},
	{pattern: "/v1/hooks/{script}", public: true, query: "*", handle: (*server).hook},
	{pattern: "/v1/hooks/{script}/{path...}", public: true, query: "*", handle: (*server).hook},
	{pattern: "GET /v1/scripts", right: rightRead, handle: (*server).scripts},
	{pattern: "GET /v1/scripts/{script}/versions", right: rightRead, handle: (*server).versions},
	{pattern: "PUT /v1/scripts/{script}", right: rightDeploy, large: true, handle: (*server).upload},
	{pattern: "DELETE /v1/scripts/{script}", right: rightDeploy, handle: (*server).removeScript},
	{pattern: "POST /v1/scripts/{script}/rollback", right: rightDeploy, query: "version", handle: rollout(CommandRollback)},
	{pattern: "POST /v1/scripts/{script}/canary", right: rightDeploy, query: "version percent calls", handle: rollout(CommandCanary)},
	{pattern: "DELETE /v1/scripts/{script}/canary", right: rightDeploy, handle: rollout(CommandDrop)},
	{pattern: "POST /v1/scripts/{script}/promote", right: rightDeploy, handle: rollout(CommandPromote)},
	{pattern: "POST /v1/scripts/{script}/unpin", right: rightDeploy, handle: rollout(CommandUnpin)},
	{pattern: "GET /v1/flows", right: rightRead, query: "state script key limit cursor", handle: (*server).listFlows},
	{pattern: "POST /v1/flows/{script}", right: rightCalls, query: "*", handle: (*server).startFlow},
	{pattern: "GET /v1/flows/{script}/{key}", right: rightRead, handle: (*server).showFlow},
	{pattern: "DELETE /v1/flows/{script}/{key}", right: rightCalls, handle: (*server).cancelFlow},
	{pattern: "POST /v1/flows/{script}/{key}/events", right: rightCalls, query: "*", handle: (*server).signalFlow},
	{pattern: "POST /v1/flows/{script}/{key}/retry", right: rightCalls, query: "latest", handle: (*server).retryFlow},
	{pattern: "GET /v1/kv", right: rightKV, query: "prefix limit cursor", handle: (*server).listKV},
	{pattern: "GET /v1/kv/{key...}", right: rightKV, handle: (*server).getKV},
	{pattern: "PUT /v1/kv/{key...}", right: rightKV, query: "ttl", handle: (*server).putKV},
	{pattern: "DELETE /v1/kv/{key...}", right: rightKV, handle: (*server).deleteKV},
	{pattern: "POST /v1/campaigns", right: rightCampaigns, handle: (*server).createCampaign},
	{pattern: "GET /v1/campaigns", right: rightRead, query: "state limit cursor", handle: (*server).listCampaigns},
	{pattern: "GET /v1/campaigns/{id}", right: rightRead, handle: ofCampaign((*server).showCampaign)},
	{pattern: "PATCH /v1/campaigns/{id}", right: rightCampaigns, handle: withBody((*server).patchCampaign)},
	{pattern: "POST /v1/campaigns/{id}/start", right: rightCampaigns, query: "*", handle: commandCampaign(CampaignStart)},
	{pattern: "POST /v1/campaigns/{id}/pause", right: rightCampaigns, handle: commandCampaign(CampaignPause)},
	{pattern: "POST /v1/campaigns/{id}/resume", right: rightCampaigns, handle: commandCampaign(CampaignResume)},
	{pattern: "POST /v1/campaigns/{id}/cancel", right: rightCampaigns, handle: commandCampaign(CampaignCancel)},
	{pattern: "GET /v1/campaigns/{id}/rehearsal", right: rightRead, handle: ofCampaign((*server).rehearse)},
	{pattern: "POST /v1/campaigns/{id}/contacts", right: rightCampaigns, query: "format strict dry", stream: true, handle: (*server).addContacts},
	{pattern: "GET /v1/campaigns/{id}/contacts", right: rightRead, query: "state outcome phone limit cursor", handle: (*server).listContacts},
	{pattern: "GET /v1/campaigns/{id}/contacts/{key}", right: rightRead, handle: ofCampaign((*server).showContact)},
	{pattern: "PATCH /v1/campaigns/{id}/contacts/{key}", right: rightCampaigns, handle: withBody((*server).patchContact)},
	{pattern: "DELETE /v1/campaigns/{id}/contacts/{key}", right: rightCampaigns, handle: (*server).deleteContact},
	{pattern: "GET /v1/campaigns/{id}/report.csv", right: rightRead, handle: report(FormatCSV)},
	{pattern: "GET /v1/campaigns/{id}/report.json", right: rightRead, handle: report(FormatJSON)},
	{pattern: "GET /v1/campaigns/{id}/report.ndjson", right: rightRead, handle: report(FormatNDJSON)},
	{pattern: "GET /v1/why/{phone}", right: rightRead, whole: true, handle: (*server).why},
	{pattern: "GET /v1/stoplist", right: rightStopList, whole: true, query: "limit cursor", handle: (*server).listStopped},
	{pattern: "GET /v1/stoplist/{phone}", right: rightStopList, handle: (*server).stopped},
	{pattern: "PUT /v1/stoplist/{phone}", right: rightStopList, query: "*", handle: (*server).stop},
	{pattern: "DELETE /v1/stoplist/{phone}", right: rightStopList, whole: true, handle: (*server).unstop},
	{pattern: "GET /v1/events", right: rightRead, query: "types call campaign", handle: (*server).events},
	{pattern: "GET /v1/outbox", right: rightRead, whole: true, query: "state limit cursor", handle: (*server).outbox},
	{pattern: "POST /v1/outbox/{id}/retry", right: rightCalls, whole: true, handle: (*server).retry},
	{pattern: "DELETE /v1/people/{phone}", right: rightPeople, whole: true, handle: (*server).erasePerson},
	{pattern: "GET /v1/audit", right: rightAudit, whole: true, query: "since limit cursor", handle: (*server).audit},
	{pattern: "GET /v1/backup", right: rightBackup, whole: true, handle: (*server).backup},
	{pattern: "GET /v1/bans", right: rightRead, whole: true, handle: (*server).bans},
	{pattern: "DELETE /v1/bans/{source}", right: rightCalls, whole: true, handle: (*server).liftBan},
	{pattern: "GET /v1/groups", right: rightRead, whole: true, handle: (*server).groups},
	{pattern: "GET /v1/groups/{name}", right: rightRead, whole: true, handle: (*server).showGroup},
	{pattern: "GET /v1/users", right: rightRead, whole: true, handle: (*server).users},
	{pattern: "GET /v1/users/{name}", right: rightRead, whole: true, handle: (*server).showUser},
	{pattern: "PUT /v1/users/{name}", right: rightCalls, whole: true, handle: (*server).setUser},
	{pattern: "GET /v1/trunks", right: rightRead, whole: true, handle: (*server).trunks},
	{pattern: "POST /v1/trunks/{name}/check", right: rightCalls, whole: true, handle: (*server).checkTrunk},
	{pattern: "GET /v1/openapi.json", handle: (*server).openAPI},
	{pattern: "GET /healthz", public: true, handle: (*server).healthz},
	{pattern: "GET /readyz", handle: (*server).readyz},
	{pattern: "GET /metrics", query: "*", handle: (*server).metrics},
}

// takes reports whether the route knows the query parameter.
func (r route) takes(parameter string) bool {
	return r.query == "*" || slices.Contains(strings.Fields(r.query), parameter)
}

// hook reports whether a script answers, and not this package.
func (r route) hook() bool { return strings.Contains(r.pattern, "/hooks/") }

// methods are those that a path could be asked with instead.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// allowed lists the methods of the path of a request, none if it is unknown.
func allowed(mux *http.ServeMux, r *http.Request) []string {
	var out []string
	for _, m := range methods {
		other := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
			out = append(out, m)
		}
	}
	return out
}
