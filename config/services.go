package config

import (
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// HTTP is the API, the hooks and the console.
type HTTP struct {
	Listen netip.AddrPort `yaml:"listen" default:"127.0.0.1:8780" doc:"Address of API and console."`
	Tokens Tokens         `yaml:"tokens" doc:"Bearer tokens: a list (full rights) or name: {token, allow, scripts}."`
	Public *Public        `yaml:"public" doc:"A second listener for hooks and signed recording links only."`
}

// Public is a listener that serves hooks and signed recording links only.
type Public struct {
	Listen netip.AddrPort `yaml:"listen" required:"yes" doc:"Address it listens on."`
	URL    string         `yaml:"url" doc:"How the world reaches it: https://pbx.example.ru."`
	TLS    *TLS           `yaml:"tls" doc:"Certificate, if TLS ends here."`
}

// HTTPClient is whom fetch, prompts by URL and deliveries trust, and as whom
// they appear.
type HTTPClient struct {
	CA      []string       `yaml:"ca" doc:"PEM files of authorities that are trusted beside the system's."`
	Clients []HTTPIdentity `yaml:"clients" doc:"Certificates for the servers that ask for one (mutual TLS); the first that fits a host is shown to it."`
}

// HTTPIdentity is a certificate that some hosts are shown.
type HTTPIdentity struct {
	Hosts []string `yaml:"hosts" required:"yes" doc:"Hosts that are shown it: host, host:port or *.suffix."`
	Cert  string   `yaml:"cert" required:"yes" doc:"PEM file of the certificate chain."`
	Key   string   `yaml:"key" required:"yes" doc:"PEM file of the private key."`
}

// Tokens are the bearer tokens of the API, in file order.
type Tokens []Token

// Token is one bearer token and what it may do.
type Token struct {
	Name    string   `yaml:"-"`
	Token   Secret   `yaml:"token" required:"yes" doc:"The bearer token."`
	Allow   []string `yaml:"allow" some:"leave the key out for all parts" enum:"calls campaigns flows kv scripts stoplist people audit backup users messages read" doc:"Parts of the API; default: all."`
	Scripts []string `yaml:"scripts" some:"leave the key out for all scripts" doc:"Scripts it may start or see; default: all."`
}

// Speech is synthesis and recognition.
type Speech struct {
	TTS TTS `yaml:"tts" doc:"Speech synthesis."`
	ASR ASR `yaml:"asr" doc:"Speech recognition."`
}

// TTS is the chain of synthesisers. An engine is espeak, rhvoice, or a name of
// Engines. With nothing set the installed ones are found.
type TTS struct {
	Default       []string      `yaml:"default" doc:"Engines in the order in which they are tried."`
	Languages     []Chain       `yaml:"languages,keyed" doc:"Other chains by language: {kk: espeak}."`
	Voices        []VoiceFor    `yaml:"voices,keyed" doc:"Voice by engine, language or alias: {rhvoice: Anna}."`
	Engines       []Engine      `yaml:"engines,keyed" doc:"Engines of your own."`
	Cache         Cache         `yaml:"cache" doc:"Disk cache of rendered prompts."`
	Timeout       time.Duration `yaml:"timeout" least:"100ms" default:"15s" doc:"Longest synthesis of one text before the next engine is tried."`
	MaxText       int           `yaml:"max_text" default:"4000" range:"1..100000" doc:"Longest text in characters."`
	NonCommercial bool          `yaml:"allow_non_commercial_voices" doc:"Also use voices whose licence forbids commercial use."`
}

// Chain is the engines of one language.
type Chain struct {
	Name    string   `yaml:"-"`
	Engines []string `yaml:",inline"`
}

// VoiceFor is the voice of an engine, a language or an alias.
type VoiceFor struct {
	Name  string `yaml:"-"`
	Voice string `yaml:",inline"`
}

// Engine is a synthesiser of the user's own.
type Engine struct {
	Name    string        `yaml:"-"`
	Driver  string        `yaml:"driver" required:"yes" enum:"espeak rhvoice command http openai yandex" unbuilt:"yandex" doc:"Kind of engine."`
	Command []string      `yaml:"command" repeat:"yes" doc:"Program and arguments: text on stdin, WAV on stdout."`
	URL     string        `yaml:"url" doc:"Address of an OpenAI-compatible /v1/audio/speech."`
	Key     Secret        `yaml:"key" doc:"Bearer token of the URL."`
	Model   string        `yaml:"model" doc:"Model name."`
	Voice   string        `yaml:"voice" doc:"Voice name."`
	Speed   float64       `yaml:"speed" default:"1" range:"0.25..4" doc:"Speed of speech."`
	Timeout time.Duration `yaml:"timeout" least:"100ms" default:"15s" doc:"Longest synthesis of one text."`
}

// Cache is a bounded folder.
type Cache struct {
	Dir string `yaml:"dir" default:"cache/speech" doc:"Folder, inside store.dir unless absolute."`
	Max Bytes  `yaml:"max" default:"1GB" range:"1048576..1099511627776" doc:"The least used files beyond this are deleted."`
}

// ASR is the chain of speech recognisers, for gather({speech}).
type ASR struct {
	Default   []string      `yaml:"default" doc:"Recognisers in the order in which they are tried; default: all, in file order."`
	Languages []Chain       `yaml:"languages,keyed" doc:"Other orders by language: {en: whisper}."`
	Engines   []ASREngine   `yaml:"engines,keyed" doc:"Recognisers by name."`
	Timeout   time.Duration `yaml:"timeout" least:"100ms" default:"10s" doc:"How long a recogniser may take after the end of speech before the next one is tried."`
}

// ASREngine is one recogniser.
type ASREngine struct {
	Name         string   `yaml:"-"`
	Driver       string   `yaml:"driver" required:"yes" enum:"vosk openai command" doc:"Kind of recogniser."`
	Command      []string `yaml:"command" repeat:"yes" doc:"Program and arguments: WAV on stdin, text or JSON on stdout."`
	URL          string   `yaml:"url" doc:"ws:// of a Vosk server, or http:// of an OpenAI-compatible /v1/audio/transcriptions."`
	Key          Secret   `yaml:"key" doc:"Bearer token of the URL."`
	Model        string   `yaml:"model" doc:"Model name."`
	Alternatives int      `yaml:"alternatives" default:"0" range:"0..10" doc:"Readings that a Vosk server is asked for; it then gives no confidence."`
}

// WebhookEvents are the types of events that a webhook may be told.
func WebhookEvents() []string {
	f, _ := reflect.TypeFor[Webhook]().FieldByName("Events")
	return strings.Fields(f.Tag.Get("enum"))
}

// Webhook is told about every call.
type Webhook struct {
	URL    string   `yaml:"url" required:"yes" doc:"Address that gets the POST."`
	Events []string `yaml:"events" some:"leave the key out for the usual ones" default:"[call.result, call.ended, order.done]" enum:"call.ringing call.answered call.dead_air call.result call.ended recording.stored recording.failed order.done source.banned address.changed cost.reached conference.began conference.joined conference.left conference.muted conference.unmuted conference.ended trunk.resting trunk.back queue.entered queue.answered queue.abandoned queue.left queue.done agent.ringing agent.missed agent.paused agent.wrap_up agent.ready agent.away" doc:"What it is told."`
	Secret Secret   `yaml:"secret" doc:"Key of the Loopstart-Signature header."`
}
