// loopstart:test: handles of callers and callees, mocks, and expectations. What
// happens in virtual time is the host's; native.call returns at once,
// native.wait when the time has come.
(function (native) {
  class ExpectationError extends Error {
    get name() { return "ExpectationError"; }
    get code() { return "TEST"; }
  }

  function invalid(message, hint) {
    const e = new TypeError(message);
    e.code = "INVALID";
    if (hint) e.hint = hint;
    return e;
  }

  const open = new Set(); // waits that nobody has settled yet

  // wait is native.wait with the place of its caller in the error.
  function wait(name, args, counts = true) {
    const here = new Error();
    const entry = { name, here };
    if (counts) open.add(entry);
    return native.wait(name, args).then(
      (value) => { open.delete(entry); return value; },
      (e) => {
        open.delete(entry);
        here.message = e.message;
        if (e.code) here.code = e.code;
        if (e.hint) here.hint = e.hint;
        throw here;
      });
  }

  // act is for what a party does: it may be left without await.
  const act = (name, args) => wait(name, args, false);

  function read(verb, o, names) {
    if (o === undefined) return {};
    if (o === null || typeof o !== "object") throw invalid(`${verb}: the options are ${native.format(o)}, an object is wanted`);
    for (const key of Object.keys(o)) {
      if (!names.includes(key)) throw invalid(`${verb}: unknown option "${key}"`, `the options are ${names.join(", ")}`);
    }
    return o;
  }

  function pattern(verb, what) {
    if (what instanceof RegExp) return { source: what.source, flags: what.flags };
    if (typeof what === "string" && what !== "") return { text: what };
    throw invalid(`${verb}: ${native.format(what)} is neither text nor a regular expression`, `write ${verb}(/words/)`);
  }

  function duration(verb, d) {
    if (typeof d !== "string" && typeof d !== "number") throw invalid(`${verb}: ${native.format(d)} is no duration`, `write "5s", "1m30s" or milliseconds`);
    return d;
  }

  // party is whoever is on the phone: a caller, a callee, an operator.
  function party(key) {
    const p = {
      hears: (what, o) => {
        const { within } = read("hears", o, ["within"]);
        return wait("hears", { key, what: pattern("hears", what), within });
      },
      hearsNothing: (o) => wait("quiet", { key, ...read("hearsNothing", o, ["for"]) }),
      press: (keys) => act("press", { key, keys: String(keys) }),
      says: (what) => {
        if (typeof what === "string") return act("says", { key, text: what });
        return act("says", { key, ...read("says", what, ["audio"]) });
      },
      silent: (d) => wait("silent", { key, for: duration("silent", d) }),
      hangup: () => act("hangup", { key }),
      hold: () => act("hold", { key }),
      resume: () => act("resume", { key }),
      sends: (text) => act("sends", { key, text: String(text) }),
      refers: (to) => act("refers", { key, text: String(to) }),
      answered: (o) => wait("answered", { key, ...read("answered", o, ["within"]) }),
      ended: (o) => wait("ended", { key, ...read("ended", o, ["within"]) }),
      matchesSnapshot: (name) => native.call("snapshot", { key, name }),
    };
    const facts = { id: "", state: "", record: "", records: "", timeline: "", hearing: "", heard: "", digits: "", transfers: "", messages: "" };
    for (const name of Object.keys(facts)) {
      Object.defineProperty(p, name, { enumerable: true, get: () => native.call("fact", { key, name }) });
    }
    return p;
  }

  // answering is a party that is dialled: how it takes calls can be told.
  function answering(key) {
    const p = party(key);
    const behave = (kind, o) => { native.call("behave", { key, kind, ...o }); return p; };
    p.answers = (o) => behave("answers", read("answers", o, ["after", "times"]));
    p.busy = (o) => behave("busy", read("busy", o, ["after", "times"]));
    p.rejects = (code, o) => behave("rejects", { code, ...read("rejects", o, ["after", "times"]) });
    p.ringsOut = (o) => behave("ringsOut", read("ringsOut", o, ["times"]));
    p.machine = (text, o) => behave("machine", { text, ...read("machine", o, ["after", "times"]) });
    p.rings = (o) => wait("rings", { key, ...read("rings", o, ["within"]) });
    return p;
  }

  async function inbound(o) {
    const args = read("inbound", o, ["to", "from", "data", "headers", "trunk", "user"]);
    if (typeof args.to !== "string") throw invalid("inbound: option \"to\" is missing", `inbound({ to: "menu" }) calls the script menu; a routed number works too`);
    return party(await wait("inbound", args));
  }

  async function message(o) {
    const args = read("message", o, ["to", "from", "text", "contentType", "headers", "trunk", "user"]);
    if (typeof args.to !== "string" || typeof args.text !== "string") throw invalid("message: options \"to\" and \"text\" are texts", `message({ to: "+74951234567", text: "STOP" })`);
    return wait("message", args);
  }

  async function outbound(o) {
    const names = ["script", "to", "data", "from", "trunk", "hide", "key", "at", "attempts", "retry", "timeout", "expires", "deliveredAfter", "window", "zone", "priority", "dedupe"];
    const args = read("outbound", o, names);
    return answering(await wait("outbound", args));
  }

  const callee = (to) => answering({ callee: String(to) });
  const anybody = answering({ callee: "" });
  for (const name of ["answers", "busy", "rejects", "ringsOut", "machine"]) {
    callee[name] = (...args) => { anybody[name](...args); return callee; };
  }

  function user(name) {
    if (name === undefined || name === "*") throw invalid("user: whose phone?", `write user("101"); user.busy() is said of all`);
    const p = answering({ user: String(name) });
    p.offline = () => { native.call("behave", { key: { user: String(name) }, kind: "offline" }); return p; };
    return p;
  }

  const everybody = answering({ user: "*" });
  for (const name of ["answers", "busy", "rejects", "ringsOut", "machine"]) {
    user[name] = (...args) => { everybody[name](...args); return user; };
  }
  user.offline = () => { native.call("behave", { key: { user: "*" }, kind: "offline" }); return user; };

  // running is a flow that a test has begun or looks at.
  function running(key) {
    const f = {
      signal: (event, data) => wait("flow.signal", { ...key, event: String(event), data }),
      ended: (o) => wait("flow.ended", { ...key, ...read("ended", o, ["within"]) }),
      cancel: () => wait("flow.cancel", key),
      retry: () => wait("flow.retry", key),
    };
    for (const name of ["id", "key", "state", "waits", "result", "error", "journal"]) {
      Object.defineProperty(f, name, { enumerable: true, get: () => native.call("flow.fact", { ...key, name }) });
    }
    return f;
  }

  async function flow(o) {
    const args = read("flow", o, ["script", "key", "data"]);
    if (typeof args.script !== "string") throw invalid("flow: option \"script\" is missing", `flow({ script: "customs-form", key: "77", data: { … } }) starts one`);
    return running(await wait("flow.start", { ...args, key: args.key === undefined ? "" : String(args.key) }));
  }
  flow.of = (script, key) => running({ script: String(script), key: String(key) });

  const http = {
    on(method, url) {
      const mock = { method: String(method).toUpperCase(), url: pattern("http.on", url) };
      const id = native.call("http.on", mock);
      const change = (o) => { native.call("http.change", { id, ...o }); return chain; };
      const chain = {
        reply(status, body, headers) {
          if (!Number.isInteger(status) || status < 100 || status > 599) throw invalid(`http.reply: ${native.format(status)} is no status`);
          const bytes = body instanceof Uint8Array ? body : undefined;
          return change({ status, headers, bytes, body: bytes ? undefined : body });
        },
        fails(message) { return change({ fails: String(message ?? "connection refused") }); },
        times(n) { return change({ times: n }); },
        delay(d) { return change({ delay: duration("http.delay", d) }); },
        get requests() { return native.call("http.requests", { id }); },
      };
      return chain;
    },
    get requests() { return native.call("http.requests", {}); },
  };

  const asr = {
    on(what) {
      const mock = { what: pattern("asr.on", what) };
      return {
        replies(text, o) { native.call("asr.on", { ...mock, text: String(text ?? ""), ...read("asr.replies", o, ["confidence", "alternatives"]) }); },
        fails(why) { native.call("asr.on", { ...mock, fails: String(why ?? "not reached") }); },
      };
    },
  };

  const streams = {
    on(url) {
      const id = native.call("agent.on", { url: pattern("streams.on", url) });
      const key = { agent: id };
      const make = (name, o) => act("agent.do", { id, do: name, ...o });
      const agent = {
        refuses: (why) => { native.call("agent.refuses", { id, why: String(why ?? "connection refused") }); return agent; },
        accepts: () => { native.call("agent.refuses", { id, why: "" }); return agent; },
        connected: (o) => wait("agent.connected", { id, ...read("connected", o, ["within"]) }),
        hears: (what, o) => {
          const { within } = read("hears", o, ["within"]);
          return wait("hears", { key, what: pattern("hears", what), within });
        },
        hearsNothing: (o) => wait("quiet", { key, ...read("hearsNothing", o, ["for"]) }),
        says: (what) => {
          if (typeof what === "string") return act("agent.says", { id, text: what });
          return act("agent.says", { id, ...read("says", what, ["audio"]) });
        },
        mark: (name) => make("mark", { name: String(name) }),
        clear: () => make("clear"),
        sends: (body) => make(typeof body === "string" ? "raw" : "sends", typeof body === "string" ? { text: body } : { body }),
        stop: () => make("stop"),
        hangup: () => make("hangup"),
        drops: () => make("drops"),
      };
      for (const name of ["messages", "marks", "digits", "heard", "connections"]) {
        Object.defineProperty(agent, name, { enumerable: true, get: () => native.call("agent.fact", { id, name }) });
      }
      return agent;
    },
  };

  const clock = {
    now: () => new Date(native.call("now", {})),
    pass: (d) => wait("pass", { for: duration("clock.pass", d) }),
    to: (when) => wait("to", { when: when instanceof Date ? when.toISOString() : String(when) }),
  };

  const kv = {
    get: async (key) => native.call("kv.get", { key }),
    set: async (key, value, o) => { native.call("kv.set", { key, value, ...read("kv.set", o, ["ttl"]) }); },
    delete: async (key) => native.call("kv.delete", { key }),
    increment: async (key, o) => native.call("kv.increment", { key, ...read("kv.increment", o, ["by", "ttl"]) }),
    list: async (prefix, o) => native.call("kv.list", { prefix, ...read("kv.list", o, ["limit", "after"]) }),
  };

  const secrets = {
    set: (name, value) => { native.call("secret", { name: String(name), value: String(value) }); },
  };

  async function hook(script, o) {
    if (typeof script !== "string" || script === "") throw invalid(`hook: ${native.format(script)} is no script`, `write hook("pickup", { json: { order: 7 } })`);
    return wait("hook", { script, ...read("hook", o, ["method", "path", "query", "headers", "body", "form", "json"]) });
  }

  // crm is the fake of another system that the connectors speak to in tests.
  function crm(name) {
    const say = (what, o) => native.call("crm", { crm: name, do: what, ...o });
    const kinds = (verb, kind) => {
      if (typeof kind !== "string") throw invalid(`${name}.${verb}: ${native.format(kind)} is no kind of object`, `write ${name}.${verb}("lead")`);
      return kind;
    };
    return {
      add: (kind, fields) => say("add", { kind: kinds("add", kind), fields: fields ?? {} }),
      all: (kind) => say("all", { kind: kinds("all", kind) }),
      down: (d) => say("down", { for: duration(`${name}.down`, d) }),
      slow: (d) => say("slow", { for: duration(`${name}.slow`, d) }),
      fail: (status, error, times) => say("fail", { status, name: error ?? "", times: times ?? 1 }),
      get requests() { return say("requests"); },
    };
  }
  const bitrix24 = crm("bitrix24"), retailcrm = crm("retailcrm");

  function equal(a, b, part) {
    if (Object.is(a, b)) return true;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const defined = (o) => Object.keys(o).filter((k) => o[k] !== undefined);
    const want = defined(b);
    if (!part && defined(a).length !== want.length) return false;
    if (Array.isArray(b) && a.length !== b.length) return false;
    return want.every((k) => equal(a[k], b[k], part));
  }

  const show = native.format;

  // Each matcher: does it hold, and what it says.
  const matchers = {
    toBe: (a, b) => [Object.is(a, b), `be ${show(b)}`],
    toEqual: (a, b) => [equal(a, b, false), `equal ${show(b)}`],
    toMatchObject: (a, b) => [equal(a, b, true), `match ${show(b)}`],
    toMatch: (a, b) => [b instanceof RegExp ? b.test(String(a)) : String(a).includes(String(b)), `match ${b instanceof RegExp ? String(b) : show(b)}`],
    toContain: (a, b) => [a != null && typeof a !== "number" && (typeof a === "string" ? a.includes(b) : [...a].some((x) => equal(x, b, false))), `contain ${show(b)}`],
    toBeTruthy: (a) => [!!a, "be truthy"],
    toBeFalsy: (a) => [!a, "be falsy"],
    toBeUndefined: (a) => [a === undefined, "be undefined"],
    toBeDefined: (a) => [a !== undefined, "be defined"],
    toBeNull: (a) => [a === null, "be null"],
    toBeGreaterThan: (a, b) => [a > b, `be greater than ${show(b)}`],
    toBeGreaterThanOrEqual: (a, b) => [a >= b, `be at least ${show(b)}`],
    toBeLessThan: (a, b) => [a < b, `be less than ${show(b)}`],
    toBeLessThanOrEqual: (a, b) => [a <= b, `be at most ${show(b)}`],
    toHaveLength: (a, b) => [a != null && a.length === b, `have the length ${show(b)}`],
    toThrow: (a, b) => {
      if (typeof a !== "function") throw invalid("expect(…).toThrow needs a function", "write expect(() => …).toThrow()");
      try {
        a();
      } catch (e) {
        const text = String((e && e.message) ?? e);
        return [b === undefined || (b instanceof RegExp ? b.test(text) : text.includes(String(b))), `throw ${b === undefined ? "" : String(b)}, it threw ${show(text)}`];
      }
      return [false, "throw"];
    },
  };

  function expect(actual) {
    const build = (negated) => {
      const o = {};
      for (const name of Object.keys(matchers)) {
        o[name] = (wanted) => {
          const [holds, words] = matchers[name](actual, wanted);
          if (holds === negated) throw new ExpectationError(`expected ${show(actual)} ${negated ? "not " : ""}to ${words}`);
        };
      }
      if (!negated) Object.defineProperty(o, "not", { enumerable: true, get: () => build(true) });
      return new Proxy(o, {
        get(target, name) {
          if (name in target || typeof name === "symbol") return target[name];
          throw invalid(`expect(…).${name}: there is no such matcher`, `there are ${Object.keys(matchers).join(", ")}, and not before each`);
        },
      });
    };
    return build(false);
  }

  const tests = [];

  function add(mode) {
    return (name, fn) => {
      if (typeof name !== "string" || name === "") throw invalid("test: the name is missing", `write test("what it shows", async () => { … })`);
      if (typeof fn !== "function") throw invalid(`test: ${native.format(fn)} is no function`, `write test("what it shows", async () => { … })`);
      if (tests.some((t) => t.name === name)) throw invalid(`two tests are called ${native.format(name)}`, "give each one its own name");
      tests.push({ name, fn, mode });
    };
  }
  const test = Object.assign(add("run"), { skip: add("skip"), only: add("only") });

  async function $run({ list, index }) {
    if (list) return tests.map(({ name, mode }) => ({ name, mode }));
    await tests[index].fn();
    for (const { name, here } of open) {
      here.message = `${name} is not awaited: the test is over before it is`;
      here.hint = `write: await …${name}(…)`;
      here.code = "TEST";
      throw here;
    }
  }

  return { asr, test, inbound, outbound, message, callee, user, flow, http, streams, clock, kv, secrets, bitrix24, retailcrm, hook, expect, $run };
})
