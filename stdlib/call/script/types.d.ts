/** The call a script runs for, and calls it places. */
declare module "loopstart:call" {
  /** `"5s"`, `"1m30s"`, `"80ms"`, or a number of milliseconds. */
  export type Duration = string | number;

  /** A party of a call. An anonymous one has no `e164`. */
  export interface Address { uri: string; user: string; host: string; name?: string; e164?: string }

  /** Grammatical case of a number, a sum or a date that is spoken. */
  export type Case = "nom" | "gen" | "dat" | "acc" | "ins" | "pre";

  /** What `record` and `recording` give; `play` and `webhook.deliver` take it as it is. */
  export interface Recording {
    id: string;
    durationMs: number;
    reason: "silence" | "finish" | "maxDuration" | "hangup" | "stopped";
    /** A signed URL that works for `ttl`. */
    link(options?: { ttl?: Duration }): Promise<string>;
  }

  /** A part of a prompt; a bare string is speech. Values may come as text from a table: `"1521,50"`, `"31.12.2026"`. */
  export type Part = string | Recording | (PartKind & { language?: string; voice?: string });
  export type PartKind =
    | { say: string }
    /** A file of the script's folder or of `prompts/<lang>/` there, a URL, `tone:440`, `silence:3s`. */
    | { play: string }
    | { recording: string | Recording }
    /** Digit by digit. */
    | { digits: string | number }
    /** Letter by letter. */
    | { spell: string }
    | { phone: string | number }
    /** `"09:30"` or a Date, which is read in the zone of the project. */
    | { time: string | Date }
    | { number: number | string; case?: Case; gender?: "m" | "f" | "n" }
    /** `{ count: 5, of: ["заказ", "заказа", "заказов"] }` */
    | { count: number | string; of: string[]; case?: Case }
    | { money: number | string; currency?: string; case?: Case }
    /** The year is said when the date is a year or more ahead or over half a year back; `year` decides otherwise. */
    | { date: string | Date; case?: Case; year?: boolean };
  export type Prompt = Part | Part[];

  export interface VoiceOptions {
    /** A key ends the prompt. False for say, play and prompt, true for gather and menu. */
    bargeIn?: boolean;
    /** BCP 47, such as `"ru-RU"`. */
    language?: string;
    voice?: string;
    /** 1 is as it is; at most 4. */
    volume?: number;
    /** Gives the verb up; it rejects with `AbortError`. */
    signal?: AbortSignal;
  }
  export interface PromptOptions extends VoiceOptions {
    loop?: boolean;
    /** Where it begins. */
    from?: Duration;
  }
  export interface Played { completed: boolean; digit?: string; playedMs: number; percent: number }

  export interface CollectOptions extends VoiceOptions {
    prompt?: Prompt;
    /** From the end of the prompt to the first key. 7s. */
    timeout?: Duration;
    /** Between two keys. 3s. */
    interDigitTimeout?: Duration;
    /** 3 in menu, 1 in gather. */
    attempts?: number;
    /** Said before the next attempt. */
    invalidPrompt?: Prompt;
    timeoutPrompt?: Prompt;
    /** Forget keys typed ahead. */
    flush?: boolean;
  }
  export interface GatherOptions extends CollectOptions {
    /** How many: `4`, or `{ min: 1, max: 6 }`. 1 to 20 when missing. */
    digits?: number | { min?: number; max?: number };
    /** Keys that end the input. `"#"`, and none when `digits` is exact. */
    finishOn?: string;
    /** True, false, or what to say before the next attempt. */
    validate?(digits: string, speech?: Speech): boolean | Prompt | Promise<boolean | Prompt>;
    /** Masked in timeline, log and webhooks, silent in the recording. */
    secret?: boolean;
    /** Also hear what is said; what comes first wins, a key or speech. `timeout` is until either begins. */
    speech?: boolean | SpeechOptions;
  }
  export interface SpeechOptions {
    /** BCP 47; that of the call when missing. */
    language?: string;
    /** Words and phrases that are likely. */
    hints?: string[];
    /** A recogniser of `speech.asr.engines`; the first that works when missing. */
    engine?: string;
    /** The pause that ends what is said; 800ms. */
    endSilence?: Duration;
    /** The longest utterance; 15s, at most 1m. */
    maxDuration?: Duration;
    /** Speech ends the prompt; as `bargeIn` when missing. */
    bargeIn?: boolean;
  }
  export interface Speech {
    text: string;
    /** 0 to 1; missing when the recogniser does not say. */
    confidence?: number;
    alternatives?: { text: string; confidence?: number }[];
    /** The recogniser that understood. */
    engine?: string;
  }
  /** `speech` is there when `reason` is `"speech"`; `invalid` is also speech that nobody could understand. */
  export interface Gathered { digits: string; speech?: Speech; reason: "digits" | "finish" | "speech" | "timeout" | "invalid" }

  export interface MenuOptions<V> extends CollectOptions {
    /** Keys and what they mean; `X` is any digit, the longest match wins: `{ 1: "sales", "1XX": ext => call.connect(ext) }`. */
    choices: { [key: string]: V | ((key: string) => unknown) };
    /** The key that says the prompt again. */
    repeat?: string;
  }
  export interface Chosen<V> { key: string; value?: V; reason: "key" | "timeout" | "invalid" }

  export interface RecordOptions {
    maxDuration?: Duration;
    /** Ends after this much silence. */
    silence?: Duration;
    finishOn?: string;
    beep?: boolean;
    /** What the file becomes; `recordings.format` when missing. mp3 needs lame or ffmpeg on the server. */
    format?: "wav" | "ogg" | "mp3";
    signal?: AbortSignal;
  }

  /** A group, a user, a number or a sip: URI. */
  export type Target = string | { to: string; delay?: Duration; timeout?: Duration; from?: string; trunk?: string; hide?: boolean; headers?: HeaderMap };
  export interface HeaderMap { [name: string]: string | number }

  export interface ConnectOptions {
    /** How long each target rings. 30s. */
    timeout?: Duration;
    strategy?: "parallel" | "serial";
    /** Caller number; the number that was called, if the trunk may present it. */
    from?: string;
    trunk?: string;
    /**
     * Hides the caller number from who is called; the trunk still learns it.
     * @example await call.connect("+79161234567", { hide: true });
     */
    hide?: boolean;
    /** What the caller hears while it rings, and while the answerer holds; false: the callee's own ringback. */
    music?: Prompt | boolean;
    /** Said to the callee before the talk. */
    whisper?: Prompt;
    /** The callee has to press `key` to get the call. */
    accept?: { key: string | number; prompt?: Prompt };
    maxDuration?: Duration;
    record?: boolean;
    headers?: HeaderMap;
    /** Keys that end the talk. */
    hangupOn?: string;
    /** What happens when these are pressed during the talk. */
    keys?: { [keys: string]: (event: { key: string }) => unknown };
    onRing?(leg: { target: string; code: number }): unknown;
    onAnswer?(leg: { target: string; code: number }): unknown;
    signal?: AbortSignal;
  }
  /** What a leg sounded like last before it was answered: tones of the network, an announcement (or music), or nothing. */
  export type EarlyMedia = "ringback" | "busy" | "reorder" | "sit" | "voice" | "silence";
  export interface Connected {
    status: "completed" | "busy" | "no_answer" | "rejected" | "failed" | "abandoned";
    code: number;
    answeredBy?: string;
    ringMs: number;
    talkMs: number;
    endedBy?: "caller" | "callee" | "script";
    /** `reason`: why a leg was not dialled at all, such as `trunks.mango.max_calls: 30 calls at once`. */
    legs: { target: string; status: string; code: number; ringMs: number; early?: EarlyMedia; reason?: string }[];
  }

  export interface QueueOptions {
    /** What who waits hears, in a loop that goes on after each announcement; false is silence. A ringing tone. */
    music?: Prompt | boolean;
    /** Said on entering and then `every` so often: the place in the line, the expected wait, both, or words of your own. */
    announce?: "position" | "wait" | "both" | Prompt;
    /** Between announcements. 1m. */
    every?: Duration;
    /** Higher ones are served first. 0. */
    priority?: number;
    /** How long to wait; without it, as long as the call may last. */
    timeout?: Duration;
    /**
     * Keys of who waits: a value leaves the line with it; a function is called and the caller stays, unless it returns
     * a value.
     */
    keys?: { [keys: string]: any };
    /** What the agent needs: `["billing"]`, or with the least level `{ billing: 2 }`. Users have `skills` in loopstart.yaml. */
    skills?: string[] | { [skill: string]: number };
    /** Said to the agent before the talk. */
    whisper?: Prompt;
    /** The agent has to press `key` to get the call. */
    accept?: { key: string | number; prompt?: Prompt };
    maxDuration?: Duration;
    record?: boolean;
    headers?: HeaderMap;
    /** What agents see as the caller. */
    from?: string;
    /** Keys that end the talk. */
    hangupOn?: string;
    onRing?(leg: { target: string; code: number }): unknown;
    onAnswer?(leg: { target: string; code: number }): unknown;
    signal?: AbortSignal;
  }
  export interface Queued {
    /** `completed` after a talk; `abandoned`: the caller left; `full` and `closed` come at once. */
    status: "completed" | "abandoned" | "key" | "timeout" | "full" | "closed";
    code: number;
    answeredBy?: string;
    ringMs: number;
    talkMs: number;
    waitMs: number;
    endedBy?: "caller" | "callee" | "script";
    /** The key that was pressed, and what stands behind it in `keys`. */
    key?: string;
    value?: any;
    legs: { target: string; status: string; code: number; ringMs: number }[];
  }
  export interface CallbackOptions {
    /** `kept`: the place that the caller has just left, the default; `end`: behind everybody. */
    place?: "kept" | "end";
    /** Caller number; else the number that was called, if the trunk may present it. */
    from?: string;
    trunk?: string;
    priority?: number;
    skills?: string[] | { [skill: string]: number };
    /** How long the person's phone rings. 30s. */
    timeout?: Duration;
    /** After this long nobody is called back. 72h. */
    expires?: Duration;
    /** How often a person who does not answer is dialled. 2. */
    attempts?: number;
    /** After this long. 5m. */
    retry?: Duration;
    /** Said to the agent before the person is dialled. */
    whisper?: Prompt;
    accept?: { key: string | number; prompt?: Prompt };
    record?: boolean;
    /** In the record, for afterCall; the call's own data if missing. */
    data?: any;
  }
  export interface AgentState {
    name: string;
    /** `aside`: did not take its last call, and is rung again after `until`. */
    state: "ready" | "ringing" | "talking" | "wrap_up" | "aside" | "busy" | "away" | "unregistered";
    since: string;
    /** Why it is away or aside, if it did not say so itself. */
    reason?: string;
    until?: string;
    /** The caller's call, while it rings or talks. */
    call?: string;
    skills?: { [skill: string]: number };
    /** Calls in a row that it did not take. */
    misses?: number;
    groups?: string[];
    display?: string;
    registered?: boolean;
  }
  export interface QueueState {
    name: string;
    open: boolean;
    ring: string;
    waiting: { position: number; call?: string; from: string; priority: number; since: string; waitMs: number; callback?: boolean; ringing?: string[] }[];
    members: AgentState[];
    /** Of today. */
    counts: {
      date: string; offered: number; answered: number; abandoned: number; timedOut: number; keys: number; full: number; closed: number; callbacks: number;
      lost: number; misses: number; inTime: number; waitMs: number; longestWaitMs: number; talks: number; talkMs: number;
    };
    /** Share of today's callers who were answered in time, 0 to 1. */
    serviceLevel?: number;
    averageWaitMs: number;
    averageTalkMs: number;
    longestWaitMs: number;
    /** Of who would come now; missing while it is not known. */
    expectedWaitMs?: number;
  }
  export interface Queue {
    /**
     * Waits in line for an agent of the group and talks; answers the call. Agents are rung while music and announcements
     * go on, by the group's `ring`.
     * @example const talk = await queue("sales").enter(call, { announce: "position", keys: { 1: "callback" }, timeout: "5m" });
     * if (talk.status === "timeout") await call.say("Все операторы заняты.");
     */
    enter(call: Call, options?: QueueOptions): Promise<Queued>;
    /**
     * Keeps the place: when its turn comes an agent is rung, and when that one accepts, the person is dialled. Kept on
     * disk. A number has one place in a group; who asks again gets the same.
     * @example await queue("sales").callback(call.from.e164, { place: "kept" });
     */
    callback(to: string, options?: CallbackOptions): Promise<{ id: string; position: number }>;
    /**
     * Gives up a place that callback has kept; false when there is none.
     * @example await queue("sales").cancel(id);
     */
    cancel(id: string): Promise<boolean>;
    /**
     * Who waits and who serves.
     * @example const { waiting, expectedWaitMs } = await queue("sales").state();
     */
    state(): Promise<QueueState>;
    /**
     * Moves a call that waits.
     * @example const { position } = await queue("sales").priority(call, 10);
     */
    priority(call: Call, priority: number): Promise<{ position: number }>;
  }
  /**
   * The line in front of a group of loopstart.yaml.
   * @example const talk = await queue("support").enter(call, { announce: "wait", music: "music.mp3" });
   */
  export function queue(group: string): Queue;
  export interface Agent {
    /**
     * Takes calls of queues and groups again.
     * @example await agent("101").ready();
     */
    ready(): Promise<AgentState>;
    /**
     * Takes none; kept over a restart.
     * @example await agent("101").away();
     */
    away(): Promise<AgentState>;
    /**
     * @example const { state } = await agent("101").state();
     */
    state(): Promise<AgentState>;
  }
  /**
   * A user of loopstart.yaml who serves groups.
   * @example await agent(call.from.user).away();
   */
  export function agent(name: string): Agent;

  export interface StreamOptions {
    /** What the server hears: what the party says (inbound, the default), what it hears, or both. */
    track?: "inbound" | "outbound" | "both";
    /** 8000 Hz, one channel; l16 is signed 16 bit little-endian. `"mulaw"` when missing. */
    format?: "mulaw" | "alaw" | "l16";
    /** `customParameters` of the start message. */
    parameters?: { [name: string]: string | number | boolean };
    /** Headers of the handshake: `{ authorization: "Bearer …" }`. */
    headers?: HeaderMap;
    /** WebSocket subprotocols that are offered. */
    protocols?: string | string[];
    /** How often a connection that breaks is opened again; 5. */
    reconnect?: number;
    /** How much audio of the server may wait to be heard; 60s, at most 2m. More is dropped. */
    buffer?: Duration;
    /** Ends the stream; it rejects with `AbortError`. */
    signal?: AbortSignal;
  }
  export interface Streamed { endedBy: "server" | "script" | "caller" | "callee"; durationMs: number; reconnects: number }

  /** What stream.on hears of. */
  export interface StreamEvents {
    open: { id: string; reconnect: number };
    /** The connection broke and is opened again. */
    lost: { attempt: number; reason: string };
    /** A mark was reached; `heard` is false when it was cleared away. */
    mark: { name: string; heard: boolean };
    /** The server has dropped its audio that was not heard yet. */
    clear: {};
    /** `{"event": "message", "message": body}` of the server. */
    message: { body: any };
    /** Audio was dropped: to a server that is slow, or from one that floods. */
    overflow: { reason: "slow" | "flood" };
    /** A message of the server that is none. */
    error: { message: string };
  }

  /** A running stream. Awaiting it waits for its end. */
  export interface Stream extends Promise<Streamed> {
    /** True once the server is connected, false when that never happened. */
    readonly opened: Promise<boolean>;
    /** Calls `fn` at every event; the result takes it away. */
    on<E extends keyof StreamEvents>(event: E, fn: (event: StreamEvents[E]) => unknown): () => void;
    /** Ends the stream; the call goes on. */
    stop(): Promise<Streamed>;
    /** Drops audio of the server that is not heard yet. */
    clear(): void;
    /** A mark behind what the server has sent so far: `on("mark")` tells when the party has heard it. */
    mark(name: string): void;
    /** Sends `{"event": "message", "message": body}` to the server. */
    send(body: unknown): void;
  }

  export type Outcome = "delivered" | "answered_short" | "machine" | "busy" | "no_answer" | "rejected" | "bad_number" | "trunk_failed"
    | "failed" | "unknown" | "not_called" | "talked" | "served" | "missed" | "abandoned";

  /** What call.on hears of. */
  export interface Events {
    digit: { digit: string };
    end: { endedBy: "caller" | "callee" | "script" | "system"; code: number };
    /** The party, or whom `connect` or `queue` has brought in, holds or takes back; `by` is who. */
    hold: { held: boolean; by: Address };
    /**
     * With `status` or `code`: how our own `call.transfer` goes. With `request: true` the party (or whom `connect` has rung)
     * asks for the other side to be sent to `to`: return `true` to allow it, another target to send it there, anything else
     * refuses. With no listener it is refused.
     */
    transfer: { to: string; status?: string; code?: number; request?: true; attended?: boolean; by?: Address; referredBy?: string };
    /** lost: no packets come; silent: nobody hears anything (`limits.dead_air`); heard: that is over. */
    media: { state: "lost" | "silent" | "heard" };
    /** `POST /v1/calls/{id}/commands {do: "message", body}` */
    command: { body: any };
    /** INFO of any type but keys, which are digits. */
    info: { type: string; body: string };
    /** A text that the other side has sent within the call (SIP MESSAGE). */
    message: { text: string; contentType: string; headers: Call["headers"] };
  }

  /** Claims about the caller's number, as RFC 8225 and RFC 8588 name them. Nothing of it is verified here. */
  export interface Identity {
    /** A: the provider knows the caller and the number; B: the caller only; C: neither. */
    attest?: "A" | "B" | "C" | string;
    origid?: string;
    /** Number or URI that calls, and those that are called. */
    orig?: string;
    dest?: string[];
    /** When it was signed, seconds since 1970. */
    iat?: number;
    /** Address of the certificate. */
    info?: string;
    alg?: string;
    ppt?: string;
    /** `verstat` of P-Asserted-Identity or From: TN-Validation-Passed, TN-Validation-Failed, No-TN-Validation. */
    verstat?: string;
    readonly verified: false;
  }

  /** One call. Verbs return promises: what people do resolves, faults reject with a `code`. */
  export interface Call<Data = any> {
    readonly id: string;
    readonly direction: "inbound" | "outbound";
    readonly from: Address;
    readonly to: Address;
    /** The other party, in both directions. */
    readonly remote: Address;
    /** Headers of the INVITE, names in any case. */
    readonly headers: { get(name: string): string | undefined; all(name: string): string[]; has(name: string): boolean; names(): string[] };
    /**
     * What the caller's provider says of the number (STIR/SHAKEN): undefined when it says nothing. Read from the Identity
     * header, whose signature is not verified; `verstat` is what the provider before us verified.
     * @example if (call.identity?.attest === "C") call.tag("caller", "doubtful");
     */
    readonly identity?: Identity;
    data: Data;
    readonly script: string;
    readonly campaign?: string;
    readonly attempt?: { n: number; of: number; order: string };
    /** RFC 3339. */
    readonly startedAt: string;
    readonly answeredAt?: string;
    readonly state: "ringing" | "early" | "answered" | "ended";
    /** Aborts at hang-up. */
    readonly signal: AbortSignal;

    /**
     * 180 Ringing.
     * @example await call.ring();
     */
    ring(): Promise<void>;
    /**
     * 183 with early media.
     * @example await call.progress();
     */
    progress(): Promise<void>;
    /**
     * @example await call.answer({ headers: { "X-Shop": "spb" } });
     */
    answer(options?: { headers?: HeaderMap }): Promise<void>;
    /**
     * Refuses a call that is not answered; 603 Decline by default.
     * @example if (call.from.e164?.startsWith("+7900")) await call.reject(603, "Decline");
     */
    reject(code?: number, reason?: string): Promise<void>;
    reject(options: { code?: number; reason?: string; headers?: HeaderMap }): Promise<void>;
    /**
     * 302 to another address.
     * @example await call.redirect("sip:office@pbx.example.ru");
     */
    redirect(uri: string): Promise<void>;
    /**
     * @example await call.hangup({ reason: "closed" });
     */
    hangup(options?: { code?: number; reason?: string; headers?: HeaderMap }): Promise<void>;

    /**
     * Speaks.
     * @example await call.say(["На счету", { money: "1521,50", currency: "RUB" }]);
     */
    say(text: Prompt, options?: PromptOptions): Promise<Played>;
    /**
     * Plays a file, a URL, `tone:440`, `silence:3s` or a recording.
     * @example void call.play("wait.mp3", { loop: true });
     */
    play(source: Prompt, options?: PromptOptions): Promise<Played>;
    /**
     * Speaks and plays.
     * @example await call.prompt(["Заказ", { digits: "4031" }, "ждёт до", { date: "31.12.2026", case: "gen" }, { play: "bye.wav" }]);
     * @example await call.prompt(["Полис действует до", { date: "31.12.2026", case: "gen", year: true }]);
     */
    prompt(parts: Prompt, options?: PromptOptions): Promise<Played>;
    /**
     * Ends the prompt.
     * @example await call.stop();
     */
    stop(): Promise<void>;
    /**
     * Stops the prompt where it is; `resume` goes on. What is heard meanwhile is silence.
     * @example call.on("digit", ({ digit }) => digit === "5" && call.pause());
     */
    pause(): Promise<void>;
    /**
     * @example await call.resume();
     */
    resume(): Promise<void>;
    /**
     * Goes on elsewhere in the prompt: a time from its beginning, or `"+10s"`, `"-10s"` from where it is. Behind its end it is over.
     * @example call.on("digit", ({ digit }) => void call.seek(digit === "6" ? "+10s" : "-10s"));
     */
    seek(position: Duration): Promise<void>;

    /**
     * Collects keys.
     * @example const { digits } = await call.gather({ prompt: "Номер заказа, четыре цифры.", digits: 4, attempts: 2 });
     */
    gather(options?: GatherOptions): Promise<Gathered>;
    /**
     * Lets the caller choose.
     * @example const choice = await call.menu({ prompt: "Продажи: один. Адрес: два.", choices: { 1: "sales", 2: () => call.say("Невский, 1.") } });
     * if (choice.reason === "timeout") await call.say("До свидания.");
     */
    menu<V>(options: MenuOptions<V>): Promise<Chosen<V>>;
    /**
     * Records a message until its end.
     * @example const message = await call.record({ maxDuration: "2m", silence: "4s", finishOn: "#", beep: true });
     */
    record(options?: RecordOptions): Promise<Recording>;
    /**
     * Records the whole call. Pause writes silence.
     * @example await call.recording.start({ stereo: true });
     */
    readonly recording: {
      start(options?: { stereo?: boolean; format?: "wav" | "ogg" | "mp3" }): Promise<{ id: string; link: Recording["link"] }>;
      pause(): Promise<void>;
      resume(): Promise<void>;
      stop(): Promise<Recording>;
    };

    /**
     * Dials and bridges; the script goes on after the talk.
     * @example const talk = await call.connect("sales", { timeout: "25s", whisper: "Заказ 4031" });
     * if (talk.status !== "completed") await call.say("Все заняты, мы перезвоним.");
     */
    connect(target: Target | Target[], options?: ConnectOptions): Promise<Connected>;
    /**
     * Joins this call with another one until either side leaves.
     * @example const { endedBy } = await call.bridge(other, { maxDuration: "1h" });
     */
    bridge(other: Call, options?: { maxDuration?: Duration; record?: boolean; signal?: AbortSignal }): Promise<{ endedBy: string; talkMs: number }>;
    /**
     * @example await call.unbridge();
     */
    unbridge(): Promise<void>;
    /**
     * @example await call.hold({ music: "music.wav" });
     */
    hold(options?: { music?: Prompt }): Promise<void>;
    /**
     * @example await call.unhold();
     */
    unhold(): Promise<void>;
    /**
     * The other side no longer hears us.
     * @example await call.mute();
     */
    mute(): Promise<void>;
    /**
     * @example await call.unmute();
     */
    unmute(): Promise<void>;
    /**
     * Who has answered: a person who says a word and waits, or a machine that talks on. It listens beside the prompts;
     * awaited first, nothing is said before the verdict. `beep` is a machine whose beep came first, `unknown` a line
     * on which nothing could be told in time. A call that a machine answered has the outcome `machine`.
     * @example const who = await call.detectMachine();
     * if (who.verdict === "machine") {
     *   await call.waitForBeep();
     *   await call.say("Это магазин «Ромашка». Ваш заказ готов.");
     *   return;
     * }
     */
    detectMachine(options?: MachineOptions & { signal?: AbortSignal }): Promise<Answered>;
    /**
     * Waits for the beep after which a voice mail records, 30 s unless told otherwise.
     * @example const { beep } = await call.waitForBeep({ timeout: "20s" });
     */
    waitForBeep(options?: { timeout?: Duration; signal?: AbortSignal }): Promise<{ beep: boolean; afterMs: number; toneHz?: number }>;
    /**
     * Keys 0-9 * # A-D; `w` is half a second. Without a method the trunk's `dtmf` decides: telephone-events (RFC 4733)
     * where they are agreed on, else tones in the audio.
     * @example await call.sendDigits("12w3");
     */
    sendDigits(digits: string | number, options?: { method?: "rfc4733" | "info" | "inband"; signal?: AbortSignal }): Promise<void>;
    /**
     * Blind transfer by REFER to a number, a user or a `sip:` address; when it fails the caller is back. A number goes to
     * the caller's own trunk, within its `destinations`. With `attended` the caller takes our place in that call, which
     * `dial` has made: the two talk with each other, without us. A party that agrees and hangs up counts as transferred (202).
     * @example const moved = await call.transfer("+74951234567", { timeout: "30s" });
     * @example const { call: boss } = await dial("101");
     * const moved = await call.transfer("101", { attended: boss });
     */
    transfer(target: string | undefined, options?: { timeout?: Duration; headers?: HeaderMap; attended?: Call; signal?: AbortSignal }): Promise<{ status: "completed" | "busy" | "no_answer" | "rejected" | "failed"; code: number }>;
    /**
     * A text within the call (SIP MESSAGE), up to 16 KB.
     * @example const { status } = await call.sendMessage("Ваш заказ 4031: https://shop.example.ru/4031");
     */
    sendMessage(text: string, options?: { signal?: AbortSignal }): Promise<Sent>;
    /**
     * An INFO with a body; an object is sent as JSON.
     * @example await call.sendInfo("application/json", { order: 4031 });
     */
    sendInfo(type: string, body: string | object, options?: { signal?: AbortSignal }): Promise<Sent>;

    /**
     * Two-way audio over WebSocket, in start/media/dtmf/mark/clear/stop messages, for speech and AI agents. Answers the
     * call. Awaiting it waits until the server, the script or a hang-up ends it.
     * @example const { endedBy } = await call.stream("wss://agent.example.com/media", { parameters: { lang: "ru" } });
     */
    stream(url: string, options?: StreamOptions): Stream;

    /**
     * Calls `fn` at every event; the result takes it away.
     * @example call.on("digit", ({ digit }) => call.log("key", digit));
     */
    on<E extends keyof Events>(event: E, fn: (event: Events[E]) => unknown): () => void;
    /**
     * Keys as they are pressed, until the call ends: `for await (const key of call.digits)`.
     * @example for await (const key of call.digits) { if (key === "#") break; }
     */
    readonly digits: AsyncIterableIterator<string>;

    /**
     * Any JSON: what the business wants to know of this call. The last value survives a crash.
     * @example call.result = { choice: "confirmed" };
     */
    result: any;
    /**
     * Overrides the outcome of the record.
     * @example call.outcome = "served";
     */
    outcome: Outcome | undefined;
    /**
     * A name and a value by which calls can be found.
     * @example call.tag("shop", "spb");
     */
    tag(name: string, value: string | number | boolean): void;
    /**
     * A line in the log and the timeline.
     * @example call.log("asked", 3, "times");
     */
    log(...values: unknown[]): void;
    /**
     * Overrides the retry rule for this contact. Cap, window and stop-list still hold.
     * @example await call.retry({ in: "1h" });
     */
    retry(options: { in: Duration } | { at: string | Date } | { never: true; stopList?: boolean }): Promise<void>;
  }

  /** How answering machines are told from people; what is not named comes from the preset. */
  export interface MachineOptions {
    /** `balanced` (the default), `quick`, or the published defaults of Asterisk's app_amd. */
    preset?: "balanced" | "quick" | "asterisk";
    /** Without a word for so long: nobody is there. */
    initialSilence?: Duration;
    /** Voice for so long is a machine's greeting. */
    greeting?: Duration;
    /** Silence for so long after a word: a person waits. */
    afterGreeting?: Duration;
    /** At the latest then there is a verdict. */
    total?: Duration;
    minWord?: Duration;
    betweenWords?: Duration;
    maxWordLength?: Duration;
    /** More words are a machine's. */
    maxWords?: number;
    /** Mean of the samples' magnitude (16 bit) from which on it is voice. */
    threshold?: number;
    /** Keep what was heard as a recording, `evidence.clip`. */
    clip?: boolean;
  }

  /** Who has answered, and what the verdict rests on. */
  export interface Answered {
    verdict: "human" | "machine" | "beep" | "fax" | "unknown";
    /** Since the detection began. */
    afterMs: number;
    evidence: {
      cause: "silence_after_greeting" | "long_greeting" | "words" | "long_word" | "initial_silence" | "beep" | "fax" | "network_tones" | "time";
      voiceMs: number; silenceMs: number; words: number; toneHz?: number; toneMs?: number;
      /** What was heard until the verdict, with `clip: true`. */
      clip?: { readonly id: string; readonly durationMs: number; link(options?: { ttl?: Duration }): Promise<string> };
    };
  }

  /**
   * Places another call, which ends with the script. With `detectMachine` it resolves after the verdict.
   * @example const { status, call: other, machine } = await dial("+79161234567", { timeout: "30s", detectMachine: true });
   * if (status === "answered" && machine.verdict === "human") await other.say("Здравствуйте!");
   */
  export function dial(target: string, options?: {
    from?: string;
    trunk?: string;
    /** Hides the caller number from who is called. */
    hide?: boolean;
    /** How long it rings. 30s. */
    timeout?: Duration;
    headers?: HeaderMap;
    /** `data` of the new call. */
    data?: any;
    detectMachine?: boolean | MachineOptions;
    signal?: AbortSignal;
  }): Promise<{ status: "answered" | "busy" | "no_answer" | "rejected" | "failed"; code: number; call?: Call; machine?: Answered; early?: EarlyMedia; reason?: string }>;

  /** What became of a text or INFO: `rejected` is an answer of 300 and more, `failed` no answer at all. */
  export interface Sent { status: "delivered" | "rejected" | "failed"; code: number }

  /**
   * A text outside of calls (SIP MESSAGE): to all phones of a user, to a number through the first trunk that may dial it, or to a
   * `sip:` address. It is there in every export of a script, also without a call.
   * @example await sendMessage("+79161234567", "Ваш заказ готов", { from: "+74951234567" });
   */
  export function sendMessage(to: string, text: string, options?: { from?: string; trunk?: string; headers?: HeaderMap; signal?: AbortSignal }): Promise<Sent>;

  /**
   * The argument of `onMessage`: a text that belongs to no call (SIP MESSAGE), which a route has given to this script. The
   * sender has its 200 already; a text that `onMessage` returns is sent back, anything else is no reply.
   * @example export async function onMessage({ from, text }: Message) { if (/^stop/i.test(text)) { await stopList.add(from.e164); return "OK"; } }
   */
  export interface Message {
    from: Address;
    to: Address;
    text: string;
    contentType: string;
    headers: Call["headers"];
    /** RFC 3339. */
    at: string;
    trunk?: string;
    user?: string;
  }

  /**
   * A room in which calls hear each other. A name is one room for all scripts of the project; it opens with the
   * first member and ends with the last. What is given here holds for every join that does not say otherwise.
   * @example const room = conference("morning", { tones: true, pin: "4711" });
   * const { endedBy, talkMs } = await room.join(call);
   */
  export function conference(name: string, options?: ConferenceOptions): Conference;

  export interface ConferenceOptions {
    /** 1 to 12 digits that the party must key in before it may join, and `#` if it likes. */
    pin?: string;
    /** How often. 3. */
    pinTries?: number;
    /** Instead of the built-in question for the PIN. */
    pinPrompt?: Prompt;
    /** Heard while nobody else is there. */
    music?: Prompt;
    /** A short tone for everybody when somebody joins or leaves. */
    tones?: boolean;
    /** Record the whole conference: one recording, from the first join that asks for it to the end. */
    record?: boolean;
    /** More than so many resolve with `full`. 100, and never more than `limits.conference_members`. */
    maxMembers?: number;
    /** Of one member's stay. */
    maxDuration?: Duration;
    /** Keys with which a party leaves; the script goes on. */
    hangupOn?: string;
    /** Keys that mean something in the conference. The others hear none of them. */
    keys?: { [sequence: string]: (event: { key: string }) => any };
  }

  export interface JoinOptions extends ConferenceOptions {
    /** Not heard until `unmute`. */
    muted?: boolean;
    /** `listen` hears all and is not heard; `coach` hears all and is heard by one member only, `coach`. */
    role?: "member" | "listen" | "coach";
    /** Whom a coach talks to: a call, a member, its user or number. It may join later. */
    coach?: Call | ConferenceMember | string;
    /** Factor on what the others hear of it, 0 to 4. */
    volume?: number;
    signal?: AbortSignal;
  }

  export interface ConferenceMember {
    /** Counts the joins of this conference. */
    readonly id: number;
    /** Id of its call. */
    readonly call: string;
    /** User or number. */
    readonly who: string;
    readonly role: "member" | "listen" | "coach";
    readonly muted: boolean;
    /** Came by the command `listen`, `coach` or `barge`. */
    readonly supervisor: boolean;
    readonly joinedAt: string;
  }

  export interface ConferenceResult {
    /** `denied`: no right PIN; `full`: no place; `abandoned`: hung up before it was in. */
    status: "completed" | "denied" | "full" | "abandoned";
    /** Why it left: who hung up (or pressed `hangupOn`), `script` (signal, maxDuration), or what was done to it. */
    endedBy?: "caller" | "callee" | "script" | "kicked" | "closed";
    /** In the conference. */
    talkMs: number;
    /** Its id in the conference. */
    member?: number;
    /** Of the whole conference: complete when that has ended. */
    recording?: Recording;
  }

  export interface Conference {
    /**
     * Lets a call in, answering it if need be, and resolves when it has left.
     * @example const talk = await conference("sales").join(call, { muted: true, keys: { "*6": () => conference("sales").unmute(call) } });
     */
    join(call: Call, options?: JoinOptions): Promise<ConferenceResult>;
    /**
     * Who is there now.
     * @example const others = (await conference("sales").members()).length;
     */
    members(): Promise<ConferenceMember[]>;
    /**
     * Sends a member out; its join resolves with `endedBy: "kicked"`.
     * @example await conference("sales").kick("+79161234567");
     */
    kick(member: Call | ConferenceMember | string | number): Promise<void>;
    /**
     * @example await conference("sales").mute(call);
     */
    mute(member: Call | ConferenceMember | string | number): Promise<void>;
    /**
     * @example await conference("sales").unmute(call);
     */
    unmute(member: Call | ConferenceMember | string | number): Promise<void>;
    /**
     * Everybody hears it, above the voices.
     * @example await conference("sales").say("Осталось пять минут.");
     */
    say(text: Prompt, options?: { language?: string; voice?: string; volume?: number; loop?: boolean }): Promise<Played>;
    /**
     * @example await conference("sales").play("gong.wav");
     */
    play(source: Prompt, options?: { volume?: number; loop?: boolean; language?: string; voice?: string }): Promise<Played>;
    /**
     * Ends what plays for everybody.
     * @example await conference("sales").stop();
     */
    stop(): Promise<void>;
    /**
     * Ends the conference: every join resolves with `endedBy: "closed"`.
     * @example await conference("sales").close();
     */
    close(): Promise<void>;
    /**
     * Hears of members, until the returned function is called or the script ends.
     * @example const off = room.on("join", ({ member, members }) => call.log(member.who, members));
     */
    on(event: "join" | "leave", fn: (event: { type: "join" | "leave"; member: ConferenceMember; members: number; endedBy?: string }) => any): () => void;
  }

  /**
   * `static config` beside the default export: a constant, read when the script is loaded.
   * @example export const config = { language: "ru-RU", deliveredAfter: "6s", data: { name: "string", sum: "money" } };
   */
  export interface Config {
    language?: string;
    voice?: string;
    record?: boolean | { stereo?: boolean };
    /** When a call counts as delivered: heard for `"6s"`, `"80%"` of it, or only with a `"key"`. A key counts under each. */
    deliveredAfter?: string;
    /** What is done when the script fails. */
    fallback?: ({ say: string } | { play: string } | { connect: string | string[] } | { reject: number } | { hangup: true })[];
    /** `full` ends nearly every offender alone, at a price in memory; `light` is the default. */
    guard?: "light" | "full";
    /**
     * Less than `limits.script_…` of loopstart.yaml gives; more is not to be had. Calls at once, their rate, length and cost are
     * `scripts.limits` there.
     * @example limits: {cpu: "50ms", heap: "16MB"}
     */
    limits?: {
      cpu?: string; heap?: string | number; stack?: number; timers?: number; requests?: number; log?: string | number; grace?: string;
    };
    /** Fields of `call.data` and their types; a missing one is refused before the call. */
    data?: { [field: string]: string };
    /**
     * Who may use `onRequest`. `sign` names entries of `secrets` with which requests have to be signed (HMAC-SHA256).
     * @example hook: {sign: "CRM_HOOK"}
     * @example hook: {sign: {secret: "GITHUB_HOOK", header: "X-Hub-Signature-256"}, rate: "10/s"}
     */
    hook?: {
      token?: string;
      origins?: string[];
      rate?: number | string;
      sign?: string | { secret: string | string[]; header?: string; timestamp?: string; window?: Duration };
    };
    /**
     * When `onSchedule` runs: a cron line (minute, hour, day, month, weekday) in the project's zone, or with a zone of its own.
     * @example schedule: "0 9 * * 1-5"
     * @example schedule: {cron: "*\/15 8-20 * * *", zone: "Asia/Almaty"}
     */
    schedule?: string | { cron: string; zone?: string };
    permissions?: { http?: string[]; sip?: string[] };
  }

  /**
   * The argument of `beforeAttempt`, which runs before each dial: nothing means dial.
   * @example export async function beforeAttempt({ data, attempt }: BeforeAttempt) { if (attempt.n > 3 || data.paid) return { skip: "paid" }; }
   */
  export interface BeforeAttempt {
    to: string;
    data: any;
    attempt: { n: number; of: number; order: string };
  }

  /**
   * The argument of `afterCall`: what one attempt left behind, with the names that the HTTP API and webhooks use.
   * @example export async function afterCall(record: CallRecord) { await webhook.deliver("https://crm.example.ru/calls", record, { key: record.order }); }
   */
  export interface CallRecord {
    /** Names this attempt; use it to do a thing once. */
    id: string;
    order: string;
    key?: string;
    script: string;
    version?: string;
    direction: "inbound" | "outbound";
    from: string;
    to: string;
    trunk?: string;
    /** RFC 3339, as all times. */
    started_at: string;
    answered_at?: string;
    ended_at: string;
    /** loopstart was killed during the call: `ended_at` is when it was last known to live. */
    ended_estimated?: boolean;
    ring_ms: number;
    talk_ms: number;
    ended_by: "caller" | "callee" | "script" | "system";
    /** Final SIP status. */
    code: number;
    cause: string;
    outcome: Outcome;
    /** No further attempt follows. */
    final: boolean;
    heard: { ms: number; percent: number };
    result?: any;
    tags?: { [name: string]: string };
    attempt: number;
    /** The first leg's audio as received; `legs` tells all of them when there were several. See docs/media.md. */
    quality: {
      loss: number; jitter_ms: number; rtt_ms?: number; mos?: number;
      legs?: { leg: string; codec?: string; loss: number; jitter_ms: number; rtt_ms?: number; mos?: number }[];
    };
    /** The crypto suite that encrypts the first leg's audio, e.g. `AES_CM_128_HMAC_SHA1_80`; absent: it is not encrypted. */
    srtp?: string;
    recording?: string;
    /** Which recording is missing or cut short, and why; `recording` is absent where there is none to be had. */
    recording_failed?: string;
    /** Heard before the answer. */
    early_media?: EarlyMedia;
    data?: any;
    /** The last line it stood in. */
    queue?: { group: string; status: string; wait_ms: number; answered_by?: string };
  }

  /**
   * The argument of `onSchedule`: the instant that is due, and whether it is made up for after the process was down.
   * @example export async function onSchedule({ at, late }: ScheduledRun) { if (!late) await remindAll(at); }
   */
  export interface ScheduledRun {
    at: string;
    late: boolean;
  }

  /**
   * The argument of `onRequest`.
   * @example export async function onRequest({ json }: HookRequest) { return { got: json.order }; }
   */
  export interface HookRequest {
    method: string;
    path: string;
    query: { [name: string]: string | string[] };
    headers: Call["headers"];
    body: Uint8Array;
    readonly text: string;
    /** The body as JSON, undefined for a form or text; a broken body of type JSON throws INVALID. */
    readonly json: any;
    /** The fields of a form; empty when the body is none. */
    readonly form: { [name: string]: string };
    ip: string;
  }
}
