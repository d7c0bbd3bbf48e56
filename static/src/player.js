// <clip-player>: our bar around <video controls>, in the light DOM. Without script the browser's own bar stays.
const SVG = "http://www.w3.org/2000/svg";
const HLS = "application/vnd.apple.mpegurl";
const clock = s => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const kept = (value) => { try { return value ? (localStorage.quality = value) : localStorage.quality; } catch { return ""; } };
const KEYS = { k: "toggle", m: "mute", c: "captions", f: "full", j: "back", l: "ahead", Escape: "close", " ": "toggle", ArrowLeft: "back", ArrowRight: "ahead" };

function el(name, attributes, ...children) {
  const node = /svg|use/.test(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const key in attributes) if (attributes[key] !== false) node.setAttribute(key, attributes[key]);
  node.append(...children);
  return node;
}

let count = 0;

class ClipPlayer extends HTMLElement {
  #v; #t; #ui; #hls; #begun = false; #plain = false; #seen = 0; #told = false; #stall; #id = `clip-player-${++count}`;

  connectedCallback() {
    const v = this.#v = this.querySelector("video");
    if (!v || this.#ui) return;
    this.#t = JSON.parse(this.dataset.words || "{}");
    this.#build();
    v.controls = false;
    for (const type of ["click", "keydown", "change"]) this.addEventListener(type, this);
    for (const type of ["play", "pause", "timeupdate", "durationchange", "volumechange", "ended", "waiting", "playing"]) v.addEventListener(type, this);
    v.addEventListener("error", this, true);
    v.textTracks.addEventListener("change", () => this.#captions());
    const from = +new URLSearchParams(location.search).get("t");
    if (from > 0 && document.querySelector("clip-player") === this) this.seek(from);
    this.#captions();
  }

  disconnectedCallback() { this.#hls?.destroy(); clearTimeout(this.#stall); }

  get video() { return this.#v; }
  get #tracks() { return [...this.#v.textTracks].filter(t => /captions|subtitles/.test(t.kind)); }
  get #sources() { return [...this.#v.querySelectorAll("source[data-label]")]; }

  #icon(name) {
    const use = el("use", { href: `${this.dataset.icons ?? ""}#${name}` });
    return el("svg", { class: /^p/.test(name) ? "icon solid" : "icon", "aria-hidden": true }, use);
  }

  #button(act, label, icon, more = {}) {
    return el("button", { type: "button", "data-do": act, "aria-label": label, ...more }, this.#icon(icon));
  }

  #choices(name, legend, items, on) {
    const rows = items.map(([value, label, hint]) => el("label", {},
      el("input", { type: "radio", name: `${this.#id}-${name}`, "data-set": name, value, checked: value === on }),
      el("span", {}, label, ...(hint ? [" ", el("small", {}, hint)] : []))));
    return el("fieldset", { class: name }, el("legend", {}, legend), ...rows);
  }

  #build() {
    const t = this.#t, total = +this.dataset.seconds || 0, names = this.#tracks, several = names.length > 1;
    const opens = menu => ({ "aria-expanded": "false", "aria-controls": `${this.#id}-${menu}` });
    const u = this.#ui = {
      big: el("button", { class: "big", type: "button", tabindex: -1, "aria-hidden": "true", "data-do": "toggle" }, this.#icon("play")),
      play: this.#button("toggle", t.play, "play"),
      seek: el("input", { type: "range", min: 0, max: total || 100, step: "0.1", value: 0, "aria-label": t.seek, "aria-valuetext": `0:00 / ${clock(total)}` }),
      now: el("span", { class: "now" }, "0:00"),
      end: el("span", {}, clock(total)),
      mute: this.#button("mute", t.mute, "sound", { "aria-pressed": "false" }),
      captions: this.#button("captions", t.captions, "cc", several ? opens("tracks") : { "aria-pressed": "false" }),
      menu: this.#button("settings", t.settings, "gear", opens("settings")),
      full: this.#button("full", t.full, "full"),
      says: el("div", { class: "says", role: "status", hidden: true }),
    };
    const speeds = [.75, 1, 1.25, 1.5].map(rate => [String(rate), `${rate.toLocaleString(document.documentElement.lang)}×`]);
    const quality = [["auto", t.auto], ...this.#sources.map(s => [s.dataset.label, s.dataset.label, s.dataset.weight])];
    u.settings = el("div", { class: "choices", id: `${this.#id}-settings`, hidden: true },
      this.#choices("rate", t.speed, speeds, "1"), ...(quality.length > 2 ? [this.#choices("quality", t.quality, quality, this.#wanted?.dataset.label ?? "auto")] : []));
    u.tracks = el("div", { class: "choices", id: `${this.#id}-tracks`, hidden: true },
      this.#choices("track", t.captions, [["", t.off], ...names.map((k, i) => [String(i), k.label])], ""));
    u.captions.hidden = !names.length;
    this.#v.parentElement.append(u.big, u.says);
    this.append(el("div", { class: "bar2", role: "group", "aria-label": t.bar, dir: "ltr" }, u.play, u.seek,
      el("span", { class: "time num" }, u.now, el("span", { class: "of" }, " / ", u.end)), u.mute, u.captions, u.menu, u.full), u.settings, u.tracks);
    u.seek.addEventListener("input", () => this.seek(+u.seek.value));
  }

  #captions() {
    const on = this.#tracks.findIndex(t => t.mode === "showing");
    const b = this.#ui.captions;
    if (b.hasAttribute("aria-pressed")) b.ariaPressed = String(on >= 0);
    b.toggleAttribute("data-on", on >= 0);
    for (const radio of this.#ui.tracks.querySelectorAll("input")) radio.checked = radio.value === (on < 0 ? "" : String(on));
  }

  #show(index) { this.#tracks.forEach((t, i) => { t.mode = i === index ? "showing" : "hidden"; }); }

  #open(which) {
    for (const [name, button] of [["settings", this.#ui.menu], ["tracks", this.#ui.captions]]) {
      const open = name === which && this.#ui[name].hidden;
      this.#ui[name].hidden = !open;
      if (button.hasAttribute("aria-expanded")) button.ariaExpanded = String(open);
      if (open) this.#ui[name].querySelector("input:checked")?.focus();
      else if (!which && this.#ui[name].contains(document.activeElement)) button.focus();
    }
  }

  do(what) {
    const v = this.#v;
    if (what === "toggle") { if (v.paused) this.play(); else v.pause(); }
    if (what === "mute") { v.muted = !v.muted; if (v.muted && !this.#tracks.some(t => t.mode === "showing")) this.#show(0); }
    if (what === "captions") { if (this.#tracks.length > 1) this.#open("tracks"); else this.#show(this.#tracks[0]?.mode === "showing" ? -1 : 0); }
    if (what === "settings") this.#open("settings");
    if (what === "close") this.#open();
    if (what === "full") { if (document.fullscreenElement) document.exitFullscreen(); else if (this.requestFullscreen) this.requestFullscreen(); else v.webkitEnterFullscreen?.(); }
    const step = { back: -5, ahead: 5, "frame-back": -1 / 25, "frame-ahead": 1 / 25 }[what];
    if (step) this.seek(Math.max(0, v.currentTime + step));
    const rate = { slower: -.25, faster: .25 }[what];
    if (rate) v.playbackRate = v.defaultPlaybackRate = Math.min(2, Math.max(.5, v.playbackRate + rate));
    if (what === "again") this.#again();
    if (what === "lower") this.#choose(this.#sources[0]?.dataset.label);
  }

  seek(seconds, play) {
    const v = this.#v;
    const go = () => { v.currentTime = seconds; };
    if (v.readyState) go(); else { v.addEventListener("loadedmetadata", go, { once: true }); this.#at(seconds); }
    if (play) this.play();
  }

  async play() {
    if (!this.#begun) {
      this.#begun = true;
      if (this.#wanted) this.#v.src = this.#wanted.src;
      else if (this.dataset.hls) await this.#stream();
    }
    return this.#go();
  }

  // A refused start leaves the poster and its button; nothing else is to be done.
  #go() { return this.#v.play().catch(() => {}); }

  // A choice made before, or the lightest file for people who save data.
  get #wanted() {
    const label = kept();
    return this.#sources.find(s => s.dataset.label === label) ?? (navigator.connection?.saveData ? this.#sources[0] : undefined);
  }

  async #stream() {
    const v = this.#v, url = this.dataset.hls;
    // Chrome also says "maybe" to this type and then stumbles over some streams: only Safari's own source is trusted.
    if ("ManagedMediaSource" in window && v.canPlayType(HLS)) { v.src = url; return; }
    try {
      if ("MediaSource" in window) this.#hls = (await import("./lib/stream.js")).stream(v, url, () => this.#failed());
    } catch { /* the MP4 files are still there, or it is said below */ }
    if (!this.#hls && !this.#sources.length) this.#failed();
  }

  // A film that has nothing but its stream yet is asked for from the beginning.
  #again() {
    const v = this.#v, isStream = !this.#sources.length;
    this.#say();
    v.controls = false;
    this.#begun &&= !isStream;
    this.#load(isStream ? "" : v.getAttribute("src"));
    this.play();
  }

  #load(src) {
    const v = this.#v, at = v.currentTime, was = !v.paused;
    this.#seen += this.#watched;
    this.#hls?.destroy();
    this.#hls = null;
    if (src) v.src = src; else v.removeAttribute("src");
    v.load();
    if (at) v.addEventListener("loadedmetadata", () => { v.currentTime = at; }, { once: true });
    if (was) this.#go();
  }

  #choose(label) {
    kept(label);
    this.#say();
    const source = this.#sources.find(s => s.dataset.label === label);
    for (const radio of this.#ui.settings.querySelectorAll("[data-set=quality]")) radio.checked = radio.value === label;
    this.dispatchEvent(new CustomEvent("quality", { detail: label }));
    if (this.#begun) this.#load(source?.src);
  }

  #offer(act) { return el("button", { type: "button", "data-do": act }, this.#t[act]); }

  #say(words, ...more) {
    this.#ui.says.hidden = !words;
    this.#ui.says.replaceChildren(words ?? "", " ", ...more);
  }

  #failed() {
    const file = this.#sources.at(-1), weight = file?.dataset.size;
    if (this.dataset.hls && file && !this.#plain) {
      this.#plain = true;
      this.#load();
      this.#go();
      return;
    }
    this.#ui.big.hidden = true;
    if (!file) { this.#say(this.#t.failed, this.#offer("again"), " ", this.#t.later ?? ""); return; }
    this.#v.controls = true;
    this.#say(this.#t.failed, this.#offer("again"), " ", el("a", { href: file.src, download: "" }, weight ? `${this.#t.get} (${weight})` : this.#t.get));
  }

  get #watched() {
    const { played } = this.#v;
    let sum = 0;
    for (let i = 0; i < played.length; i++) sum += played.end(i) - played.start(i);
    return sum;
  }

  // Once a page, without a cookie; not where somebody asks not to be counted.
  #count() {
    const url = this.dataset.views;
    delete this.dataset.views;
    if (navigator.doNotTrack !== "1" && !navigator.globalPrivacyControl)
      fetch(url, { method: "POST", keepalive: true, credentials: "omit", headers: { "Content-Type": "application/json" }, body: "{}" }).catch(() => {});
  }

  #at(seconds) {
    const u = this.#ui, total = this.#v.duration || +this.dataset.seconds || 0;
    u.now.textContent = clock(seconds);
    u.seek.value = seconds;
    u.seek.style.setProperty("--x", `${total ? Math.min(100, seconds / total * 100) : 0}%`);
    u.seek.ariaValueText = `${clock(seconds)} / ${clock(total)}`;
  }

  handleEvent(e) {
    const v = this.#v, u = this.#ui;
    switch (e.type) {
      case "click": {
        const b = e.target.closest("[data-do], video, .choices");
        if (b?.matches("video") && !u.says.hidden && v.controls) return;
        if (!b?.matches(".choices, [aria-expanded]")) this.#open();
        if (b && !b.matches(".choices")) this.do(b.dataset.do || "toggle");
        return;
      }
      case "keydown": {
        if (e.ctrlKey || e.metaKey || e.altKey || e.shiftKey) return;
        const act = KEYS[e.key];
        if (/^ |^Arrow/.test(e.key) && e.target !== u.seek) return;
        if (act === "close" && u.settings.hidden && u.tracks.hidden) return;
        if (act) { e.preventDefault(); this.do(act); }
        return;
      }
      case "change":
        if (e.target.dataset.set === "rate") v.playbackRate = v.defaultPlaybackRate = +e.target.value;
        if (e.target.dataset.set === "quality") this.#choose(e.target.value);
        if (e.target.dataset.set === "track") this.#show(e.target.value === "" ? -1 : +e.target.value);
        return;
      case "timeupdate":
        this.#at(v.currentTime);
        if (this.dataset.views && this.#seen + this.#watched >= Math.min(3, .9 * v.duration)) this.#count();
        if (!this.#told && v.duration && this.#seen + this.#watched >= .9 * v.duration) {
          this.#told = true;
          this.dispatchEvent(new CustomEvent("clip-player:watched", { bubbles: true }));
        }
        return;
      case "durationchange":
        if (Number.isFinite(v.duration)) { u.seek.max = v.duration; u.end.textContent = clock(v.duration); }
        return;
      case "volumechange":
        u.mute.ariaPressed = String(v.muted);
        u.mute.replaceChildren(this.#icon(v.muted ? "mute" : "sound"));
        return;
      case "error":
        if (e.target === v || e.target === [...v.querySelectorAll("source")].at(-1)) this.#failed();
        return;
      case "waiting":
        clearTimeout(this.#stall);
        if (this.#sources.length > 1) this.#stall = setTimeout(() => this.#say(this.#t.slow, this.#offer("lower")), 8000);
        return;
      case "playing":
        clearTimeout(this.#stall);
        this.#say();
        return;
      default:
        if (e.type === "play") for (const other of document.querySelectorAll("clip-player video")) if (other !== v) other.pause();
        u.big.hidden = !v.paused || v.currentTime > 0 && !v.ended;
        u.play.replaceChildren(this.#icon(v.paused ? "play" : "pause"));
        u.play.ariaLabel = v.paused ? this.#t.play : this.#t.pause;
    }
  }
}
customElements.define("clip-player", ClipPlayer);
if (document.querySelector("a[data-at]")) import("./lib/transcript.js");
