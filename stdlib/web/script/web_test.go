package script

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// site answers fetches by path and keeps the requests.
type site struct {
	asked []string
	posts []string
}

func (s *site) answer(_ *scripttest.Host, r message.Request, seq uint32) (any, error) {
	if seq == 0 {
		s.posts = append(s.posts, r.Method+" "+string(r.Args))
		return nil, nil
	}
	s.asked = append(s.asked, string(r.Args))
	switch {
	case strings.Contains(string(r.Args), "/slow"):
		return scripttest.Later, nil
	case strings.Contains(string(r.Args), "/down"):
		return nil, fault.New(fault.Network, "connection refused")
	case strings.Contains(string(r.Args), "/1251"):
		return json.RawMessage(`{"status":200,"statusText":"OK","url":"https://a.ru/1251","headers":[["Content-Type","text/plain; charset=windows-1251"]],"body":"z/Do4uXy"}`), nil
	}
	return json.RawMessage(`{"status":201,"statusText":"Created","url":"https://a.ru/end","redirected":true,"headers":[["Content-Type","application/json"],["Set-Cookie","a=1"],["set-cookie","b=2"]],"body":"eyJhIjoxfQ=="}`), nil
}

func (s *site) run(t testing.TB, source string) string {
	t.Helper()
	o, _ := scripttest.Run{Source: source, Host: s.answer, Options: runtime.Options{Globals: Globals},
		Env: message.Environment{Language: "ru-RU", Zone: "Europe/Moscow"}}.Do(t)
	if o.Error != nil {
		return strings.TrimSuffix(fmt.Sprintf("%s %s: %s | %s", o.Error.Code, o.Error.Name, o.Error.Message, o.Error.Hint), " | ")
	}
	return strings.NewReplacer(`\u0026`, "&", `\u000d`, `\r`).Replace(string(o.Value))
}

type webTest struct{ source, want string }

func runAll(t *testing.T, tests []webTest) {
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			if got := (&site{}).run(t, tt.source); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestGlobals(t *testing.T) {
	runAll(t, []webTest{
		{`return [typeof console, typeof fetch, typeof URL, "atob" in globalThis, globalThis.crypto === crypto]`, `["object","function","function",true,true]`},
		{`return typeof nothing`, `"undefined"`},
		{`nothing()`, `SCRIPT ReferenceError: nothing is not defined`},
		{`globalThis.fetch = () => 7; return fetch()`, `7`},
		{`const {URL: U} = globalThis; return U === URL`, `true`},
		{`Object.setPrototypeOf(globalThis, {URL: 1}); return URL`, `1`},
		{`const {URL: U} = globalThis; const p = Object.getPrototypeOf(globalThis); Object.setPrototypeOf(globalThis, null); try { p.fetch } catch (e) { return e.code }`, `"INVALID"`},
		{`return Object.keys(globalThis).includes("console")`, `false`},
	})
}

func TestURL(t *testing.T) {
	runAll(t, []webTest{
		{`const u = new URL("../b?x=1#y", "https://u:p@Example.com:8080/a/c/"); return [u.href, u.origin, u.host, u.port, u.username, u.pathname, u.search, u.hash, String(u), JSON.stringify({u})]`,
			`["https://u:p@example.com:8080/a/b?x=1#y","https://example.com:8080","example.com:8080","8080","u","/a/b","?x=1","#y","https://u:p@example.com:8080/a/b?x=1#y","{\"u\":\"https://u:p@example.com:8080/a/b?x=1#y\"}"]`},
		{`new URL("nope")`, `SCRIPT TypeError: Invalid URL: nope`},
		{`return [URL.canParse("x:"), URL.canParse("x"), URL.parse("x")]`, `[true,false,null]`},
		{`const u = new URL("https://a.b/?x=1"); u.searchParams.append("y", "а б"); u.searchParams.set("x", 2); return u.href`, `"https://a.b/?x=2&y=%D0%B0+%D0%B1"`},
		{`const u = new URL("https://a.b/?x=1"); const p = u.searchParams; u.search = "?z=3"; return [p.get("z"), p.has("x"), p === u.searchParams]`, `["3",false,true]`},
		{`const u = new URL("https://a.b/"); u.pathname = "c d"; u.port = "1"; u.hash = "h"; u.protocol = "http"; u.hostname = "x:9"; return u.href`, `"http://a.b:1/c%20d#h"`},
		{`const u = new URL("https://a.b/"); try { u.origin = 1; } catch (e) { return e.name; }`, `"TypeError"`},
		{`const u = new URL("https://a.b/"); u.href = "bad"`, `SCRIPT TypeError: Invalid URL: bad`},
		{`const p = new URLSearchParams("?a=1&a=2&b=%D1%8F+%2B&c"); return [p.getAll("a"), p.get("b"), p.get("c"), p.get("d"), p.size, String(p), [...p].length]`, `[["1","2"],"я +","",null,4,"a=1&a=2&b=%D1%8F+%2B&c=",4]`},
		{`const p = new URLSearchParams({b: 2, a: "x*~"}); p.sort(); p.delete("b"); p.append("a", 1); p.delete("a", "1"); return String(p)`, `"a=x*%7E"`},
		{`const p = new URLSearchParams([["a", 1], ["b", 2]]); const out = []; p.forEach((v, k) => out.push(k + v)); return [out, [...p.keys()], [...p.values()]]`, `[["a1","b2"],["a","b"],["1","2"]]`},
		{`new URLSearchParams([["a"]])`, `SCRIPT TypeError: URLSearchParams: each pair has a name and a value`},
	})
}

func TestText(t *testing.T) {
	runAll(t, []webTest{
		{`return [...new TextEncoder().encode("я€")]`, `[209,143,226,130,172]`},
		{`const b = new Uint8Array(4); return [new TextEncoder().encodeInto("aя€", b), [...b]]`, `[{"read":2,"written":3},[97,209,143,0]]`},
		{`return new TextDecoder().decode(new TextEncoder().encode("\uFEFFпривет").buffer)`, `"привет"`},
		{`return new TextDecoder("windows-1251").decode(new Uint8Array([207, 240]))`, `"Пр"`},
		{`return new TextDecoder("utf-16le").decode(new Uint8Array([0x4f, 0x04]))`, `"я"`},
		{`return new TextDecoder().decode(new Uint8Array([97, 255]))`, `"a�"`},
		{`new TextDecoder("utf-8", {fatal: true}).decode(new Uint8Array([255]))`, `SCRIPT TypeError: TextDecoder: the bytes are no utf-8`},
		{`const d = new TextDecoder(); const b = new TextEncoder().encode("\uFEFFя€😀z"); let out = ""; for (const x of b) out += d.decode(new Uint8Array([x]), {stream: true}); return [out, d.decode(), d.decode(new Uint8Array([0xef, 0xbb, 0xbf, 97]))]`, `["я€😀z","","a"]`},
		{`const d = new TextDecoder(); d.decode(new Uint8Array([0xd1]), {stream: true}); return [d.decode(), d.decode(new Uint8Array([97]))]`, `["�","a"]`},
		{`const d = new TextDecoder("utf-8", {fatal: true}); d.decode(new Uint8Array([0xd1]), {stream: true}); d.decode()`, `SCRIPT TypeError: TextDecoder: the bytes are no utf-8`},
		{`const d = new TextDecoder("utf-16le"); let out = ""; for (const x of [0x4f, 0x04, 0x3d, 0xd8, 0x00, 0xde]) out += d.decode(new Uint8Array([x]), {stream: true}); return out + d.decode()`, `"я😀"`},
		{`const d = new TextDecoder("windows-1251"); return d.decode(new Uint8Array([207]), {stream: true}) + d.decode(new Uint8Array([240]))`, `"Пр"`},
		{`new TextDecoder("klingon")`, `SCRIPT RangeError: TextDecoder: the encoding klingon is not known`},
		{`return new TextDecoder().decode(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1))`, `"b"`},
		{`return [btoa("aÿ"), atob(" YQ = ="), atob("YWI"), atob("/w==").charCodeAt(0)]`, `["Yf8=","a","ab",255]`},
		{`try { btoa("я") } catch (e) { return [e.name, e instanceof DOMException] }`, `["InvalidCharacterError",true]`},
		{`try { atob("a") } catch (e) { return e.name }`, `"InvalidCharacterError"`},
	})
}

func TestClone(t *testing.T) {
	runAll(t, []webTest{
		{`const a = {d: new Date(5), r: /x/gi, m: new Map([[1, {x: 1}]]), s: new Set([1]), l: [1, , 3], b: new Uint8Array([1, 2]), n: null}; a.self = a;
			const c = structuredClone(a); return [c !== a, c.self === c, c.d.getTime(), String(c.r), c.m.get(1), c.s.has(1), c.l.length, 1 in c.l, [...c.b], c.b.buffer !== a.b.buffer, c.n]`,
			`[true,true,5,"/x/gi",{"x":1},true,3,false,[1,2],true,null]`},
		{`const e = structuredClone(new RangeError("x", {cause: 7})); return [e instanceof RangeError, e.message, e.cause]`, `[true,"x",7]`},
		{`try { structuredClone({f() {}}) } catch (e) { return [e.name, e.message] }`, `["DataCloneError","a function could not be cloned"]`},
		{`return structuredClone(JSON.parse('{"__proto__": 1}')).__proto__ === 1`, `true`},
	})
}

func TestAbort(t *testing.T) {
	runAll(t, []webTest{
		{`const c = new AbortController(); const got = []; c.signal.addEventListener("abort", e => got.push(e.type, e.target === c.signal)); c.signal.onabort = () => got.push("on");
			c.abort(); c.abort(1); return [got, c.signal.aborted, c.signal.reason.name]`, `[["on","abort",true],true,"AbortError"]`},
		{`AbortSignal.abort(new TypeError("x")).throwIfAborted()`, `SCRIPT TypeError: x`},
		{`const s = AbortSignal.timeout(1000); await new Promise(r => setTimeout(r, 1001)); return [s.aborted, s.reason.name]`, `[true,"TimeoutError"]`},
		{`const a = new AbortController(); const s = AbortSignal.any([a.signal, AbortSignal.timeout(5)]); a.abort("x"); return [s.aborted, s.reason]`, `[true,"x"]`},
		{`new AbortSignal()`, `SCRIPT TypeError: Illegal constructor; use new AbortController().signal`},
		{`const e = new EventTarget(); let n = 0; e.addEventListener("x", () => n++, {once: true}); e.dispatchEvent(new Event("x")); e.dispatchEvent(new Event("x")); return n`, `1`},
	})
}

func TestCrypto(t *testing.T) {
	const hex = `const hex = b => [...new Uint8Array(b)].map(x => x.toString(16).padStart(2, "0")).join(""); const enc = s => new TextEncoder().encode(s);`
	runAll(t, []webTest{
		{`const a = crypto.randomUUID(); return [/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(a), a !== crypto.randomUUID()]`, `[true,true]`},
		{`const a = crypto.getRandomValues(new Uint32Array(8)); return [a.length, a.some(x => x > 0)]`, `[8,true]`},
		{`crypto.getRandomValues(new Uint8Array(70000))`, `INVALID Error: crypto.getRandomValues takes a typed array of at most 65536 bytes`},
		{hex + `return hex(await crypto.subtle.digest("SHA-256", enc("abc")))`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{hex + `return hex(await crypto.subtle.digest({name: "sha-1"}, enc("abc")))`, `"a9993e364706816aba3e25717850c26c9cd0d89d"`},
		{hex + `const k = await crypto.subtle.importKey("raw", enc("key"), {name: "HMAC", hash: "SHA-256"}, false, ["sign", "verify"]);
			const s = await crypto.subtle.sign("HMAC", k, enc("The quick brown fox jumps over the lazy dog"));
			return [hex(s), await crypto.subtle.verify("HMAC", k, s, enc("The quick brown fox jumps over the lazy dog")), await crypto.subtle.verify("HMAC", k, s, enc("x")), Object.keys(k)]`,
			`["f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",true,false,["type","extractable","algorithm","usages"]]`},
		{`await crypto.subtle.digest("MD5", new Uint8Array(1))`, `SCRIPT NotSupportedError: crypto.subtle.digest: MD5 is not there; SHA-1, SHA-256, SHA-384 and SHA-512 are`},
		{`await crypto.subtle.digest("SHA-256", "text")`, `SCRIPT TypeError: crypto.subtle.digest: bytes are wanted; use new TextEncoder().encode(text)`},
	})
}

func TestFetch(t *testing.T) {
	tests := []struct{ source, want, asked string }{
		{`const r = await fetch("https://a.ru/x#y"); return [r.status, r.ok, r.statusText, r.url, r.redirected, r.headers.get("content-TYPE"), r.headers.getSetCookie(), await r.json(), r.bodyUsed]`,
			`[201,true,"Created","https://a.ru/end",true,"application/json",["a=1","b=2"],{"a":1},true]`, `{"headers":[],"method":"GET","redirect":"follow","url":"https://a.ru/x"}`},
		{`await fetch("https://a.ru", {method: "post", body: JSON.stringify({a: 1}), headers: {"Content-Type": "application/json", "X-A": "я"}})`, ``, `{"body":"eyJhIjoxfQ==","headers":[["Content-Type","application/json"],["X-A","я"]],"method":"POST","redirect":"follow","url":"https://a.ru/"}`},
		{`await fetch(new URL("https://a.ru/f"), {method: "POST", body: new URLSearchParams({a: "b c"}), redirect: "manual"})`, ``, `{"body":"YT1iK2M=","headers":[["Content-Type","application/x-www-form-urlencoded;charset=UTF-8"]],"method":"POST","redirect":"manual","url":"https://a.ru/f"}`},
		{`await fetch(new Request("https://a.ru", {method: "PUT", body: new Uint8Array([1]), headers: [["a", "b"]]}))`, ``, `{"body":"AQ==","headers":[["a","b"]],"method":"PUT","redirect":"follow","url":"https://a.ru/"}`},
		{`const r = await fetch("https://a.ru"); const c = r.clone(); return [await r.text(), (await c.bytes()).length, (await fetch("https://a.ru")).headers.has("x")]`, `["{\"a\":1}",7,false]`, ``},
		{`const r = await fetch("https://a.ru/1251"); return await r.text()`, `"Привет"`, ``},
		{`const r = await fetch("https://a.ru/1251"); await r.json()`, `SCRIPT SyntaxError: the body is no JSON: "Привет"`, ``},
		{`const r = await fetch("https://a.ru"); await r.text(); await r.text()`, `SCRIPT TypeError: the body has been read already; keep what text() or json() gave, or clone() first`, ``},
		{`await fetch("https://a.ru/down")`, `NETWORK Error: connection refused`, ``},
		{`await fetch("/x")`, `INVALID Error: fetch: "/x" is no URL | write it in full, with https://`, ``},
		{`await fetch("file:///etc/passwd")`, `INVALID Error: fetch: file: cannot be fetched | only http and https can`, ``},
		{`await fetch("https://a.ru", {body: "x"})`, `INVALID Error: fetch: a GET request has no body | add method: "POST"`, ``},
		{`await fetch("https://a.ru", {method: "POST", body: {a: 1}})`, `INVALID Error: fetch: the body is an object | send body: JSON.stringify(value) with the header Content-Type: application/json`, ``},
		{`await fetch("https://a.ru", {headers: {"a b": "c"}})`, `SCRIPT TypeError: Headers: "a b" is no header name`, ``},
		{`await fetch("https://a.ru", {headers: {a: "c\r\nd: e"}})`, `SCRIPT TypeError: Headers: the value of a has a line break`, ``},
		{`try { await fetch("https://a.ru/slow", {signal: AbortSignal.timeout(3000)}) } catch (e) { return [e.name, Date.now() % 60000] }`, `["TimeoutError",3000]`, `{"cancel":1,"headers":[],"method":"GET","redirect":"follow","url":"https://a.ru/slow"}`},
		{`return JSON.stringify(Response.json({a: 1}, {status: 202}))`, `"{\"status\":202,\"headers\":{\"content-type\":\"application/json\"},\"body\":{\"0\":123,\"1\":34,\"2\":97,\"3\":34,\"4\":58,\"5\":49,\"6\":125}}"`, ``},
		{`return new Response("hi", {headers: {A: "b"}})`, `{"status":200,"headers":{"a":"b","content-type":"text/plain;charset=UTF-8"},"body":{"$bytes":"aGk="}}`, ``},
		{`const h = new Headers({B: "1"}); h.append("b", "2"); h.set("A", "x"); h.delete("c"); return [[...h], h.get("b"), Object.entries(h.toJSON())]`, `[[["a","x"],["b","1, 2"]],"1, 2",[["a","x"],["b","1, 2"]]]`, ``},
		{`return JSON.parse("[".repeat(3)+"]".repeat(3)).length`, `1`, ``},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			s := &site{}
			if got := s.run(t, tt.source); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if tt.asked != "" && (len(s.asked) != 1 || s.asked[0] != tt.asked) {
				t.Errorf("asked %q\nwant  %q", s.asked, tt.asked)
			}
		})
	}
}

func TestTasks(t *testing.T) {
	runAll(t, []webTest{
		{`const out = []; setTimeout(() => out.push("timer"), 0); queueMicrotask(() => out.push("task")); Promise.resolve().then(() => out.push("then")); out.push("now"); await new Promise(r => setTimeout(r, 1)); return out`, `["now","task","then","timer"]`},
		{`queueMicrotask(1)`, `INVALID Error: queueMicrotask needs a function | write queueMicrotask(() => { … }, …), without calling the function yourself`},
		{`const a = performance.now(); await new Promise(r => setTimeout(r, 250)); return [a >= 0, performance.now() - a, typeof performance.timeOrigin]`, `[true,250,"number"]`},
		{`let n = 0; const i = setInterval(() => { if (++n === 3) clearInterval(i); }, 10); await new Promise(r => setTimeout(r, 100)); return n`, `3`},
		{`const t = setTimeout(() => { throw 1; }, 5); clearTimeout(t); clearTimeout(undefined); clearTimeout(12345); await new Promise(r => setTimeout(r, 10)); return "quiet"`, `"quiet"`},
	})
}

func TestZones(t *testing.T) {
	for _, zone := range []string{"Europe/Moscow", "Europe/Kyiv", "Europe/Minsk", "Asia/Almaty", "Asia/Qostanay", "Asia/Yekaterinburg", "Asia/Kamchatka", "America/New_York", "Pacific/Chatham", "UTC", "Etc/GMT-3"} {
		got := (&site{}).run(t, `return new Intl.DateTimeFormat("ru", {timeStyle: "short", timeZone: "`+zone+`"}).format(new Date("2026-07-01T12:00:00Z"))`)
		at, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(at).Format(`"15:04"`); got != want {
			t.Errorf("%s: %s, want %s", zone, got, want)
		}
	}
}

func TestFormData(t *testing.T) {
	s := &site{}
	got := s.run(t, `const f = new FormData(); f.append("a", 1); f.append("файл\"", new Blob(["x", new Uint8Array([121])], {type: "text/plain"}), "я.txt"); f.set("a", "2");
		return await new Response(f).text()`)
	for _, want := range []string{`name=\"a\"\r\n\r\n2\r\n`, `name=\"файл%22\"; filename=\"я.txt\"\r\nContent-Type: text/plain\r\n\r\nxy\r\n`, `--loopstart-`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

func TestConsole(t *testing.T) {
	tests := []struct{ source, want string }{
		{`console.log("a", 1, null, undefined, true, "b")`, `info a 1 null undefined true b`},
		{`console.warn({a: "x", b: [1, {c: 2}], f() {}, d: new Date(0), r: /x/g, n: -0.5})`, `warn { a: "x", b: [1, { c: 2 }], f: [function f], d: 1970-01-01T00:00:00.000Z, r: /x/g, n: -0.5 }`},
		{`const a = {}; a.self = a; console.log(a)`, `info { self: [circular] }`},
		{`console.log({a: {b: {c: {d: {e: 1}}}}})`, `info { a: { b: { c: { d: {…} } } } }`},
		{`console.log(Array.from({length: 60}, (_, i) => i))`, `info [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, … 10 more]`},
		{`console.log({toString() { throw 1 }, toJSON() { throw 1 }, get x() { throw 1 }})`, `info { toString: [function toString], toJSON: [function toJSON], x: [throws] }`},
		{`console.log("%s is %d%% of %j", "x", 5.7, {a: 1}, "rest")`, `info x is 5% of { a: 1 } rest`},
		{`console.log("100%", 1)`, `info 100% 1`},
		{`console.log(new Uint8Array(3), new Map(), Promise.resolve(), Symbol("s"), class A {})`, `info [3 bytes] [Map] [Promise] Symbol(s) [function A]`},
		{`console.assert(1, "no"); console.assert(0, "yes", 2)`, `error Assertion failed: yes 2`},
		{`console.count(); console.count("a"); console.count()`, `info default: 1;info a: 1;info default: 2`},
		{`console.group("g"); console.info("in\nside"); console.groupEnd(); console.debug("out")`, `info g;info   in
  side;debug out`},
		{`console.time("t"); await new Promise(r => setTimeout(r, 25)); console.timeEnd("t"); console.timeEnd("t")`, `info t: 25 ms`},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			s := &site{}
			s.run(t, tt.source)
			var got []string
			for _, p := range s.posts {
				var line struct{ Level, Text string }
				if err := json.Unmarshal([]byte(strings.TrimPrefix(p, "console.log ")), &line); err != nil {
					t.Fatal(err)
				}
				got = append(got, line.Level+" "+line.Text)
			}
			if all := strings.Join(got, ";"); all != tt.want {
				t.Errorf("got  %s\nwant %s", all, tt.want)
			}
		})
	}
	s := &site{}
	s.run(t, `console.log("я".repeat(1e5)); console.error(new TypeError("bad"), Object.assign(new Error("x"), {code: "MEDIA"}))`)
	if n := len(s.posts[0]); n > 4200 || !strings.HasSuffix(s.posts[0], "…\"}") {
		t.Errorf("a long line has %d bytes", n)
	}
	if !strings.Contains(s.posts[1], "TypeError: bad") || !strings.Contains(s.posts[1], "(code MEDIA)") {
		t.Errorf("errors as %s", s.posts[1])
	}
}

func TestIntl(t *testing.T) {
	var tests []webTest
	number := func(locale, options string, n, want string) {
		tests = append(tests, webTest{`return new Intl.NumberFormat("` + locale + `", ` + options + `).format(` + n + `).replace(/\u00a0/g, "_")`, `"` + want + `"`})
	}
	number("ru-RU", `{}`, "1234567.891", "1_234_567,891")
	number("ru", `{style: "currency", currency: "RUB"}`, "1521.5", "1_521,50_₽")
	number("ru", `{style: "currency", currency: "RUB", maximumFractionDigits: 0}`, "1521.5", "1_522_₽")
	number("ru", `{style: "currency", currency: "CHF"}`, "-5", "-5,00_CHF")
	number("kk-KZ", `{style: "currency", currency: "KZT"}`, "1000", "1_000,00_₸")
	number("en-US", `{style: "currency", currency: "USD"}`, "-1234.5", "-$1,234.50")
	number("en", `{style: "currency", currency: "RUB"}`, "5", "RUB_5.00")
	number("en", `{style: "currency", currency: "JPY"}`, "1234.5", "¥1,235")
	number("ru", `{style: "currency", currency: "USD", currencyDisplay: "code"}`, "1", "1,00_USD")
	number("ru", `{style: "percent"}`, "0.125", "13_%")
	number("en", `{style: "percent", maximumFractionDigits: 1}`, "0.125", "12.5%")
	number("en", `{minimumFractionDigits: 2}`, "1.005", "1.005")
	number("en", `{maximumFractionDigits: 2}`, "1.005", "1")
	number("en", `{maximumFractionDigits: 0}`, "2.5", "3")
	number("en", `{useGrouping: false, minimumIntegerDigits: 5}`, "123", "00123")
	number("en", `{signDisplay: "always"}`, "5", "+5")
	number("ru", `{}`, "NaN", "не_число")
	number("ru", `{}`, "-Infinity", "-∞")
	number("de", `{}`, "1234.5", "1,234.5")
	number("uk-UA", `{style: "currency", currency: "UAH"}`, "1234567.5", "1_234_567,50_₴")
	number("uk", `{style: "currency", currency: "UAH", currencyDisplay: "name"}`, "5", "5,00 української гривні")
	number("uk", `{style: "percent"}`, "0.12", "12%")
	number("uk", `{}`, "1234.5", "1_234,5")
	number("be-BY", `{style: "currency", currency: "BYN"}`, "1234567.5", "1_234_567,50_Br")
	number("be", `{}`, "1234.5", "1234,5")
	number("be", `{}`, "12345", "12_345")
	number("be", `{style: "percent"}`, "0.12", "12_%")
	date := func(locale, options, want string) {
		tests = append(tests, webTest{`return new Intl.DateTimeFormat("` + locale + `", ` + options + `).format(new Date("2026-11-21T10:05:09Z"))`, `"` + want + `"`})
	}
	date("ru", `{}`, "21.11.2026")
	date("en-US", `{}`, "11/21/2026")
	date("en-GB", `{}`, "21/11/2026")
	date("kk", `{}`, "21.11.2026")
	date("ru", `{dateStyle: "full", timeStyle: "short"}`, "суббота, 21 ноября 2026 г. в 13:05")
	date("ru", `{dateStyle: "long"}`, "21 ноября 2026 г.")
	date("ru", `{dateStyle: "medium", timeStyle: "medium"}`, "21 нояб. 2026 г., 13:05:09")
	date("ru", `{dateStyle: "short"}`, "21.11.2026")
	date("ru", `{day: "numeric", month: "long"}`, "21 ноября")
	date("ru", `{month: "long", year: "numeric"}`, "ноябрь 2026 г.")
	date("ru", `{weekday: "long"}`, "суббота")
	date("ru", `{weekday: "short", day: "numeric", month: "short"}`, "сб, 21 нояб.")
	date("ru", `{hour: "2-digit", minute: "2-digit", timeZone: "Asia/Vladivostok"}`, "20:05")
	date("ru", `{timeStyle: "long", timeZone: "Asia/Kolkata"}`, "15:35:09 GMT+5:30")
	date("en-US", `{dateStyle: "full", timeStyle: "short", timeZone: "UTC"}`, "Saturday, November 21, 2026 at 10:05 AM")
	date("en-US", `{dateStyle: "short", timeStyle: "short"}`, "11/21/26, 1:05 PM")
	date("en-US", `{month: "short", day: "numeric"}`, "Nov 21")
	date("en-US", `{month: "long", year: "numeric"}`, "November 2026")
	date("en-GB", `{dateStyle: "long"}`, "21 November 2026")
	date("en-US", `{hour: "numeric", hour12: false, minute: "2-digit"}`, "13:05")
	date("kk", `{dateStyle: "full"}`, "2026 ж. 21 қараша, сенбі")
	date("kk", `{day: "numeric", month: "long"}`, "21 қараша")
	date("uk", `{}`, "21.11.2026")
	date("uk", `{dateStyle: "full", timeStyle: "short"}`, "субота, 21 листопада 2026 р. о 13:05")
	date("uk", `{dateStyle: "medium", timeStyle: "medium"}`, "21 лист. 2026 р., 13:05:09")
	date("uk", `{dateStyle: "short"}`, "21.11.26")
	date("uk", `{month: "long", year: "numeric"}`, "листопад 2026 р.")
	date("uk", `{weekday: "short", day: "numeric", month: "short"}`, "сб, 21 лист.")
	date("be", `{dateStyle: "full", timeStyle: "short"}`, "субота, 21 лістапада 2026 г. у 13:05")
	date("be", `{dateStyle: "long"}`, "21 лістапада 2026 г.")
	date("be", `{month: "long", year: "numeric"}`, "лістапад 2026")
	date("be", `{weekday: "short", day: "numeric", month: "short"}`, "сб, 21 ліс")
	tests = append(tests,
		webTest{`return (1521.5).toLocaleString("ru-RU", {style: "currency", currency: "RUB"}).length`, `10`},
		webTest{`return (1234.5).toLocaleString().replace(/\u00a0/g, "_")`, `"1_234,5"`},
		webTest{`const d = new Date("2026-11-21T22:05:09Z"); return [d.toLocaleString(), d.toLocaleDateString("en-US"), d.toLocaleTimeString("ru", {timeZone: "UTC"}), d.toLocaleDateString("ru", {day: "numeric", month: "long", timeZone: "UTC"})]`,
			`["22.11.2026, 01:05:09","11/22/2026","22:05:09","21 ноября"]`},
		webTest{`return new Date(NaN).toLocaleString()`, `"Invalid Date"`},
		webTest{`return new Intl.NumberFormat("ru", {style: "currency", currency: "RUB"}).formatToParts(-1234.5).map(p => p.type).join()`, `"minusSign,integer,group,integer,decimal,fraction,literal,currency"`},
		webTest{`return new Intl.DateTimeFormat("ru", {day: "numeric", month: "long", timeZone: "UTC"}).formatToParts(0)`, `[{"type":"day","value":"1"},{"type":"literal","value":" "},{"type":"month","value":"января"}]`},
		webTest{`return new Intl.DateTimeFormat().resolvedOptions().timeZone`, `"Europe/Moscow"`},
		webTest{`return [1, 2].map(new Intl.NumberFormat("ru").format)`, `["1","2"]`},
		webTest{`new Intl.NumberFormat("ru", {style: "currency"})`, `SCRIPT RangeError: Currency code is required with currency style, such as RUB`},
		webTest{`new Intl.NumberFormat("ru", {maximumFractionDigits: 30})`, `SCRIPT RangeError: maximumFractionDigits value is out of range`},
		webTest{`new Intl.DateTimeFormat("ru", {timeZone: "Moscow"})`, `SCRIPT RangeError: Invalid time zone specified: Moscow`},
		webTest{`new Intl.DateTimeFormat("ru", {dateStyle: "long", day: "numeric"})`, `SCRIPT RangeError: dateStyle and timeStyle cannot be used with single fields`},
		webTest{`new Intl.DateTimeFormat("ru").format(NaN)`, `SCRIPT RangeError: Invalid time value`},
	)
	runAll(t, tests)
}
