// One file on its way to the storage, in parts, without giving up: pause, offline, stalls, a reload, another device.
const EDGE = 65536, STALL = 30000, PAUSES = [1, 2, 4, 8, 15, 30], AHEAD = 8;
const ENDS = ["done", "failed", "stopped"];

class Fault extends Error {
  constructor(status, told = {}) { super(told.detail || ""); this.status = status; this.told = told; }
}

// What trying again does not change, and nobody said when to come back; a gate before the portal that only says 429 is waited for.
export const isFinal = (status, told) => status < 500 && !told.retry_after && (status !== 429 || Boolean(told.code));

const hex = async blob => [...new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()))].map(b => b.toString(16).padStart(2, "0")).join("");

// Is it the same file? Its size and both ends tell. Without a secure context there is no digest: then it is sent anew.
async function fingerprint(file) {
  if (!globalThis.crypto?.subtle) return {};
  return { head_sha256: await hex(file.slice(0, EDGE)), tail_sha256: await hex(file.slice(-EDGE)) };
}

export class Upload extends EventTarget {
  state = "idle"; total = 0; note = ""; reason = ""; wait = 0;
  #file; #draft; #api; #held = new Map(); #flying = new Map(); #calls = new Set(); #queue = []; #urls = new Map();
  #at = []; #tries = 0; #next = 0; #narrow = false; #alarm = new Set(); #paused = false; #broken; #lock; #id; #partSize;

  constructor(file, draft, api) {
    super();
    this.#file = file; this.#draft = draft; this.#api = api; this.total = file.size;
  }

  get active() { return this.state !== "idle" && !ENDS.includes(this.state); }
  get sent() { let n = 0; for (const size of this.#held.values()) n += size; for (const size of this.#flying.values()) n += size; return Math.min(n, this.total); }
  // Seconds left, by what got through in the last twenty.
  get left() {
    const [first] = this.#at, last = this.#at.at(-1);
    if (!first || last[0] - first[0] < 2000 || last[1] <= first[1]) return null;
    return (this.total - this.sent) / ((last[1] - first[1]) / (last[0] - first[0])) / 1000;
  }

  async run() {
    const doors = ["online", "offline"];
    for (const name of doors) addEventListener(name, this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    try {
      this.#set("hashing");
      const mark = await fingerprint(this.#file).catch(() => { throw new Fault(0, { code: "gone" }); });
      while (!await this.#once(mark)) this.note = "renewed";
      this.#set("done");
    } catch (fault) {
      this.#lands();
      if (this.state !== "stopped") { this.reason = fault.message; this.code = fault.told?.code; this.status = fault.status; this.#set("failed"); }
    } finally {
      for (const name of doors) removeEventListener(name, this.#wake);
      document.removeEventListener("visibilitychange", this.#wake);
      this.#rest();
    }
  }

  pause() { this.#paused = true; this.#lands(); this.#rest(); this.#set("paused"); }
  resume() { this.#paused = false; this.#stayAwake(); this.#set("sending"); this.#ring(); }
  stop() { this.state = "stopped"; this.#lands(); this.#ring(); }
  // Another film goes in its place: what has arrived of this one is of no use.
  drop() { this.stop(); if (this.#id) fetch(`${this.#api}/uploads/${this.#id}`, { method: "DELETE", keepalive: true, headers: { Authorization: `Bearer ${this.token}` } }).catch(() => {}); }

  // From opening to the end; false when the storage has forgotten the upload and it must begin anew.
  async #once(mark) {
    const { id, token } = await this.#draft();
    this.token = token;
    const file = this.#file;
    this.#held.clear(); this.#flying.clear(); this.#urls.clear(); this.#queue = []; this.#at = [];
    const told = await this.#call("POST", "/uploads", {
      submission_id: id, filename: file.name.slice(0, 255) || "film", size: file.size, type: file.type.slice(0, 60), last_modified: file.lastModified || 0, edits: file.edits, ...mark,
    });
    this.#id = told.id; this.#partSize = told.part_size;
    for (const part of told.received) this.#held.set(part.n, part.size);
    for (let n = 1; n <= told.part_count; n++) if (!this.#held.has(n)) this.#queue.push(n);
    if (told.received.length) this.note = "resumed";
    this.#stayAwake();
    for (;;) {
      try {
        if (told.state === "open") await this.#send();
        this.#set("completing");
        await this.#call("POST", `/uploads/${this.#id}/complete`, {});
        return true;
      } catch (fault) {
        if (fault.status === 404 || fault.told?.code === "upload_closed") return false;
        if (!fault.told?.missing?.length) throw fault;
        for (const n of fault.told.missing) { this.#held.delete(n); this.#queue.push(n); }
        told.state = "open";
      }
    }
  }

  async #send() {
    this.#set("sending");
    const lanes = new Set();
    const lane = async () => {
      while (this.#queue.length && !this.#broken) {
        if (lanes.size > this.#width()) return;
        const n = this.#queue.shift();
        try { await this.#part(n); } catch (fault) { this.#broken ??= fault; this.#queue.push(n); }
      }
    };
    while (!this.#broken && (lanes.size || this.#queue.length)) {
      while (lanes.size < this.#width() && this.#queue.length) {
        const one = lane().finally(() => lanes.delete(one));
        lanes.add(one);
      }
      await Promise.race(lanes);
    }
    if (!this.#broken) return;
    this.#lands(); this.#ring();
    await Promise.allSettled(lanes);
    const fault = this.#broken;
    this.#broken = undefined;
    throw fault;
  }

  async #part(n) {
    for (let refused = 0; ;) {
      await this.#ready();
      const url = await this.#url(n);
      const outcome = await this.#put(n, url);
      this.#flying.delete(n);
      if (outcome === 200) {
        this.#held.set(n, Math.min(this.#partSize, this.total - (n - 1) * this.#partSize));
        this.#tries = 0;
        this.#set(this.state === "stalled" || this.state === "offline" ? "sending" : this.state);
        return;
      }
      if (outcome === 404) throw new Fault(404);
      if (outcome === 403) this.#urls.delete(n);
      if (this.#paused || this.#broken || this.state === "stopped") continue;
      await this.#file.slice(0, 1).arrayBuffer().catch(() => { throw new Fault(0, { code: "gone" }); });
      this.#narrow = true;
      if (outcome !== 403 || refused++) await this.nap();
    }
  }

  #put(n, url) {
    return new Promise(done => {
      const call = new XMLHttpRequest(), start = (n - 1) * this.#partSize;
      let timer;
      const alive = () => { clearTimeout(timer); timer = setTimeout(() => call.abort(), STALL); };
      call.open("PUT", url);
      call.upload.onprogress = e => { alive(); this.#flying.set(n, e.loaded); this.#note(); };
      call.onloadend = () => { clearTimeout(timer); this.#calls.delete(call); done(call.status); };
      this.#calls.add(call);
      alive();
      call.send(this.#file.slice(start, start + this.#partSize));
    });
  }

  // Addresses last an hour; a few are asked for at a time, since phones sleep.
  async #url(n) {
    const mine = this.#urls.get(n);
    if (mine) return mine;
    const numbers = [n, ...this.#queue.filter(m => !this.#urls.has(m)).slice(0, AHEAD - 1)];
    const { parts } = await this.#call("POST", `/uploads/${this.#id}/parts`, { numbers });
    for (const part of parts) this.#urls.set(part.n, part.url);
    return this.#urls.get(n);
  }

  async #call(method, path, body) {
    for (;;) {
      await this.#ready();
      let answer;
      try {
        answer = await fetch(this.#api + path, { method, signal: AbortSignal.timeout(STALL), body: JSON.stringify(body), headers: { "Authorization": `Bearer ${this.token}`, "Content-Type": "application/json" } });
      } catch { await this.nap(); continue; }
      if (answer.ok) {
        if (this.state === "held") this.#set("sending");
        return answer.status === 204 ? null : answer.json();
      }
      const told = await answer.json().catch(() => ({}));
      if (isFinal(answer.status, told)) throw new Fault(answer.status, told);
      await this.nap(told);
    }
  }

  async #ready() {
    while (this.#paused && this.state !== "stopped") await this.#until(1e9);
    if (this.state === "stopped") throw new Fault(0);
    if (this.#broken) throw this.#broken;
  }

  // Parts that fail together are one failure: they wait together, and as long as another one moves all is well. Who
  // was told to wait is no weak line: it is said why, and for how long.
  async nap({ detail, retry_after: least = 0 } = {}) {
    const now = performance.now();
    if (now >= this.#next) this.#next = now + PAUSES[Math.min(this.#tries++, PAUSES.length - 1)] * (1000 + Math.random() * 250);
    const ms = Math.max(this.#next - now, least * 1000);
    this.wait = Math.ceil(ms / 1000);
    if (!navigator.onLine) this.#set("offline");
    else if (detail) { this.reason = detail; this.again = Date.now() + ms; this.#set("held"); }
    else if (!this.#calls.size) this.#set("stalled");
    await this.#until(ms);
  }

  #until(ms) {
    return new Promise(done => {
      const ring = () => { clearTimeout(timer); this.#alarm.delete(ring); done(); };
      const timer = setTimeout(ring, Math.min(ms, 2 ** 31 - 1));
      this.#alarm.add(ring);
    });
  }

  #ring() { for (const ring of [...this.#alarm]) ring(); }
  #lands() { for (const call of this.#calls) call.abort(); this.#flying.clear(); }

  #wake = e => {
    if (e.type === "offline") { if (this.active && !this.#paused) this.#set("offline"); return; }
    // A hidden page has lost its lock: it asks anew when it is seen again.
    this.#rest();
    if (document.hidden || this.#paused) return;
    this.#stayAwake();
    if (this.state === "offline") this.#set("sending");
    this.#tries = this.#next = 0;
    this.#ring();
  };

  #stayAwake() { if (this.active) this.#lock ??= navigator.wakeLock?.request("screen").catch(() => null); }
  #rest() { this.#lock?.then(lock => lock?.release()); this.#lock = undefined; }

  #width() {
    const line = navigator.connection;
    if (line?.saveData || /2g|3g/.test(line?.effectiveType)) return 1;
    return this.#narrow ? 2 : 3;
  }

  #note() {
    const now = performance.now();
    if (now - (this.#at.at(-1)?.[0] ?? 0) < 250) return;
    this.#at = [...this.#at.filter(([t]) => now - t < 20000), [now, this.sent]];
    if (this.state === "stalled") this.#set("sending"); else this.dispatchEvent(new Event("change"));
  }

  #set(state) {
    if (this.state === "stopped" || this.state === "paused" && this.#paused && state !== "paused" && state !== "failed") return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
