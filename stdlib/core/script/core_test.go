package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// host is the smallest kv, lock and outbox that answers rightly; it notes what
// it was asked.
type host struct {
	values map[string]json.RawMessage
	asked  []string
	swaps  int // compareAndSet answers false this often
}

func (k *host) answer(_ *scripttest.Host, r message.Request, _ uint32) (any, error) {
	k.asked = append(k.asked, r.Method+" "+string(r.Args))
	var a struct {
		Key      string
		Value    json.RawMessage
		Old, New json.RawMessage
	}
	if err := json.Unmarshal(r.Args, &a); err != nil {
		return nil, err
	}
	switch r.Method {
	case "kv.get":
		v, ok := k.values[a.Key]
		return map[string]any{"found": ok, "value": v}, nil
	case "kv.set":
		k.values[a.Key] = a.Value
	case "kv.delete":
		_, ok := k.values[a.Key]
		delete(k.values, a.Key)
		return map[string]bool{"deleted": ok}, nil
	case "kv.increment":
		return map[string]int{"value": 7}, nil
	case "kv.compareAndSet":
		if k.swaps--; k.swaps >= 0 || !bytes.Equal(k.values[a.Key], a.Old) {
			return map[string]bool{"swapped": false}, nil
		}
		k.values[a.Key] = a.New
		return map[string]bool{"swapped": true}, nil
	case "kv.list":
		return json.RawMessage(`{"items":[{"key":"a1","value":1}]}`), nil
	case "lock.acquire":
		if a.Key == "busy" {
			return nil, fault.New(fault.Conflict, "not free in time")
		}
		return map[string]string{"token": "t1"}, nil
	case "lock.release":
		return map[string]bool{"held": true}, nil
	case "webhook.deliver":
		return map[string]string{"id": "d1"}, nil
	}
	return nil, nil
}

// run gives the value of the script as JSON, or its error.
func run(t *testing.T, k *host, source string) string {
	t.Helper()
	o, _ := scripttest.Run{
		Source:  `const { kv, webhook, secrets, sleep, log, lock } = require("loopstart:core");` + source,
		Options: runtime.Options{Modules: []runtime.Module{Module()}},
		Env:     message.Environment{Secrets: map[string]string{"CRM_TOKEN": "s3"}},
		Host:    k.answer,
	}.Do(t)
	if o.Error != nil {
		return strings.TrimSuffix(fmt.Sprintf("%s: %s | %s", o.Error.Code, o.Error.Message, o.Error.Hint), " | ")
	}
	return string(o.Value)
}

func TestCore(t *testing.T) {
	tests := []struct{ name, source, want, asked string }{
		{"get", `return await kv.get("a")`, `{"n":1}`, `kv.get {"key":"a"}`},
		{"get nothing", `return [await kv.get("x")]`, `[null]`, ``},
		{"set", `return await kv.set("x", {b: 2}, {ttl: "1m30s"}) ?? "none"`, `"none"`, `kv.set {"key":"x","ttlMs":90000,"value":{"b":2}}`},
		{"set undefined", `await kv.set("x", undefined)`, `INVALID: kv.set: the value of x is undefined | use kv.delete to take a key away`, ``},
		{"set null", `await kv.set("x", null); return 1`, `1`, `kv.set {"key":"x","value":null}`},
		{"delete", `return [await kv.delete("a"), await kv.delete("a")]`, `[true,false]`, ``},
		{"increment", `return await kv.increment("n", {by: -2})`, `7`, `kv.increment {"by":-2,"key":"n"}`},
		{"increment by default", `return await kv.increment("n")`, `7`, `kv.increment {"by":1,"key":"n"}`},
		{"increment by half", `await kv.increment("n", {by: 0.5})`, `INVALID: kv.increment: option "by" is 0.5, a whole number from -2147483647 to 2147483647 is wanted`, ``},
		{"cas create", `return await kv.compareAndSet("x", undefined, 1)`, `true`, `kv.compareAndSet {"key":"x","new":1}`},
		{"cas delete", `return await kv.compareAndSet("a", {n: 1}, undefined)`, `true`, `kv.compareAndSet {"key":"a","old":{"n":1}}`},
		{"cas null", `return await kv.compareAndSet("a", null, 1)`, `false`, `kv.compareAndSet {"key":"a","new":1,"old":null}`},
		{"list", `return (await kv.list("a", {limit: 10, after: "a0"}))[0].key`, `"a1"`, `kv.list {"after":"a0","limit":10,"prefix":"a"}`},
		{"update in place", `return await kv.update("a", v => { v.n++; return v; })`, `{"n":2}`, `kv.compareAndSet {"key":"a","new":{"n":2},"old":{"n":1}}`},
		{"update of nothing", `return await kv.update("x", async v => (v ?? 10) + 1)`, `11`, `kv.compareAndSet {"key":"x","new":11}`},
		{"cas ttl", `return await kv.compareAndSet("x", undefined, 1, {ttl: "5s"})`, `true`, `kv.compareAndSet {"key":"x","new":1,"ttlMs":5000}`},
		{"update ttl", `return await kv.update("x", v => 1, {ttl: "1m"})`, `1`, `kv.compareAndSet {"key":"x","new":1,"ttlMs":60000}`},
		{"update leaves", `return await kv.update("a", () => undefined)`, `{"n":1}`, ``},
		{"update throws", `await kv.update("a", () => { throw new TypeError("no") })`, `SCRIPT: no`, ``},
		{"key", `await kv.get(7)`, `INVALID: kv.get: the key is 7, a string is wanted`, ``},
		{"long key", `await kv.get("k".repeat(600))`, `LIMIT: kv.get: the key is longer than 512 bytes`, ``},
		{"unknown option", `await kv.set("x", 1, {tll: "5s"})`, `INVALID: kv.set: unknown option "tll" | did you mean ttl?`, ``},
		{"duration", `await kv.set("x", 1, {ttl: "5 sec"})`, `INVALID: kv.set: option "ttl" is "5 sec", a duration is wanted | write "5s", "1m30s", "80ms" or a number of milliseconds`, ``},
		{"secret", `return secrets.get("CRM_TOKEN")`, `"s3"`, ``},
		{"unknown secret", `secrets.get("CRM_TOKN")`, `NOT_FOUND: secrets.get: there is no secret "CRM_TOKN" | did you mean CRM_TOKEN?`, ``},
		{"sleep", `const a = Date.now(); await sleep("1m30s"); return Date.now() - a`, `90000`, ``},
		{"sleep wrongly", `await sleep("soon")`, `INVALID: sleep: "soon" is no duration up to 24h | write sleep("5s"), sleep("1m30s") or a number of milliseconds`, ``},
		{"log", `log("a", {b: [1, "x"]}); log.warn("%s is %d", "n", 3.7, true); return 1`, `1`, `console.log {"level":"info","text":"a { b: [1, \"x\"] }"};console.log {"level":"warn","text":"n is 3 true"}`},
		{"lock", `return await lock("k", {ttl: "1m"}, async () => "done")`, `"done"`, `lock.acquire {"key":"k","ttlMs":60000,"waitMs":10000};lock.release {"key":"k","token":"t1"}`},
		{"lock throws", `await lock("k", () => { throw new Error("inside") })`, `SCRIPT: inside`, `lock.release {"key":"k","token":"t1"}`},
		{"lock busy", `await lock("busy", () => 1)`, `CONFLICT: not free in time`, ``},
		{"lock without function", `await lock("k", {ttl: 1})`, `INVALID: lock: the last argument is undefined, a function is wanted | write lock(key, async () => { … })`, ``},
		{"deliver json", `return await webhook.deliver("https://a.ru/h", {a: 1}, {key: "o1", headers: {"X-A": "b"}, sign: true, expires: "1h"})`, `{"id":"d1"}`,
			`webhook.deliver {"body":{"a":1},"expiresMs":3600000,"headers":[["X-A","b"]],"key":"o1","kind":"json","method":"POST","sign":true,"url":"https://a.ru/h"}`},
		{"deliver form", `await webhook.deliver("https://a.ru", {a: 1, b: "я", c: null}, {form: true})`, ``, `"body":[["a","1"],["b","я"]],"headers":[],"kind":"form"`},
		{"deliver text", `await webhook.deliver("https://a.ru", "hi", {method: "PUT"})`, ``, `"body":"hi","headers":[],"kind":"text","method":"PUT"`},
		{"deliver bytes", `await webhook.deliver("https://a.ru", new Uint8Array([1, 2]).subarray(1))`, ``, `"body":"Ag==","headers":[],"kind":"bytes"`},
		{"deliver nothing", `await webhook.deliver("https://a.ru")`, ``, `"kind":"none"`},
		{"deliver files", `await webhook.deliver("https://a.ru", {}, {files: [{id: "r1", link() {}}, {data: "hi", name: "a.txt"}]})`, ``,
			`"files":[{"field":"file","recording":"r1"},{"data":"aGk=","field":"file","name":"a.txt"}]`},
		{"deliver unnamed files", `await webhook.deliver("https://a.ru", {}, {files: [{recording: "r1"}, {data: "hi"}]})`, ``,
			`"files":[{"field":"file","recording":"r1"},{"data":"aGk=","field":"file","name":"file2"}]`},
		{"deliver to a file", `await webhook.deliver("file:///etc/passwd", 1)`, `INVALID: webhook.deliver: "file:///etc/passwd" is no http or https URL`, ``},
		{"deliver nested form", `await webhook.deliver("https://a.ru", {a: {}}, {form: true})`, `INVALID: webhook.deliver: the form field "a" is an object | a form holds text and numbers; use JSON.stringify for more`, ``},
		{"deliver header", `await webhook.deliver("https://a.ru", 1, {headers: {"X": "a\r\nY: b"}})`, `INVALID: webhook.deliver: option "headers.X" is "a\r\nY: b", a header's text on one line is wanted | line ends, NUL and other control characters would forge a header`, ``},
		{"deliver form wrongly", `await webhook.deliver("https://a.ru", {a: 1}, {form: "yes"})`, `INVALID: webhook.deliver: option "form" is "yes", true or false is wanted`, ``},
		{"deliver a function", `await webhook.deliver("https://a.ru", () => 1)`, `INVALID: webhook.deliver: a function has no JSON form`, ``},
		{"deliver with a method", `await webhook.deliver("https://a.ru", {a: 1, f() {}})`, ``, `"body":{"a":1},`},
		{"set with a method", `await kv.set("x", {a: 1, f() {}})`, ``, `kv.set {"key":"x","value":{"a":1}}`},
		{"set a function", `await kv.set("x", () => 1)`, `INVALID: kv.set: a function has no JSON form`, ``},
		{"cas a function", `await kv.compareAndSet("x", undefined, () => 1)`, `INVALID: kv.compareAndSet: a function has no JSON form`, ``},
		{"read-only", `"use strict"; kv.get = 1`, `INVALID: get cannot be set: built-in modules are read-only`, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &host{values: map[string]json.RawMessage{"a": json.RawMessage(`{"n":1}`)}}
			if got := run(t, k, tt.source); tt.want != "" && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			for _, want := range strings.Split(tt.asked, ";") {
				if all := strings.Join(k.asked, "\n"); !strings.Contains(all, want) {
					t.Errorf("asked\n%s\nwithout %s", all, want)
				}
			}
		})
	}
}

func TestUpdateGivesUp(t *testing.T) {
	k := &host{values: map[string]json.RawMessage{}, swaps: 3}
	if got := run(t, k, `let n = 0; await kv.update("x", () => ++n); return n`); got != "4" {
		t.Errorf("after three conflicts: %s", got)
	}
	k.swaps = 1 << 30
	if got := run(t, k, `await kv.update("x", () => 1)`); !strings.HasPrefix(got, fmt.Sprintf("CONFLICT: kv.update: x was changed by others %d times", MaxUpdates)) {
		t.Errorf("for ever: %s", got)
	}
}
