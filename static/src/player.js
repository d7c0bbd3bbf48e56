// <clip-player>: our bar around <video controls>, in the light DOM. Without script the browser's own bar stays.
const HLS = "application/vnd.apple.mpegurl";
const clock = s => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const kept = (value) => { try { return value ? (localStorage.quality = value) : localStorage.quality; } catch { return ""; } };
const KEYS = { k: "toggle", m: "mute", c: "captions", f: "full", j: "back", l: "ahead", Escape: "close", " ": "toggle", ArrowLeft: "back", ArrowRight: "ahead" };

const el = (name, has) => Object.assign(document.createElement(name), has);

let count = 0;

class ClipPlayer extends HTMLElement {
  #v; #t; #ui; #hls; #begun = false; #plain = false; #menus; #making; #id = `clip-player-${++count}`;

  connectedCallback() {
    const v = this.#v = this.querySelector("video");
    if (!v || this.#ui) return;
    this.#t = JSON.parse(this.dataset.words || "{}");
    this.#build();
    v.controls = false;
    for (const type of ["click", "keydown"]) this.addEventListener(type, this);
    for (const type of "play pause timeupdate durationchange volumechange ended".split(" ")) v.addEventListener(type, this);
    v.addEventListener("error", this, true);
    v.textTracks.addEventListener("change", () => this.#captions());
    const from = +new URLSearchParams(location.search).get("t");
    if (from > 0 && document.querySelector("clip-player") === this) this.seek(from);
    this.#captions();
  }

  disconnectedCallback() { this.#hls?.destroy(); }

  get video() { return this.#v; }
  get #tracks() { return [...this.#v.textTracks].filter(t => /captions|subtitles/.test(t.kind)); }
  get #sources() { return [...this.#v.querySelectorAll("source[data-label]")]; }

  #icon(name) { return `<svg class="icon${/^p/.test(name) ? " solid" : ""}" aria-hidden="true"><use href="${this.dataset.icons ?? ""}#${name}"/></svg>`; }

  // The words come in as properties, never as markup.
  #build() {
    const t = this.#t, find = which => this.querySelector(which), several = this.#tracks.length > 1, isOff = 'aria-pressed="false"';
    const button = (act, icon, more = "") => `<button type="button" data-do="${act}" ${more}>${this.#icon(icon)}</button>`;
    const opens = menu => `aria-expanded="false" aria-controls="${this.#id}-${menu}"`;
    this.#v.insertAdjacentHTML("afterend", `${button("toggle", "play", 'class="big" tabindex="-1" aria-hidden="true"')}<div class="says" role="status" hidden></div>`);
    this.insertAdjacentHTML("beforeend", `<div class="bar2" role="group" dir="ltr">${button("toggle", "play")}<input type="range" min="0" step="0.1"><span class="time num"><span class="now"></span><span class="of"> / <span></span></span></span>${
      button("mute", "sound", isOff)}${button("captions", "cc", several ? opens("tracks") : isOff)}${button("settings", "gear", opens("settings"))}${button("full", "full")}</div>`);
    const u = this.#ui = { big: find(".big"), says: find(".says"), bar: find(".bar2"), seek: find("input"), now: find(".now"), end: find(".of span") };
    for (const one of u.bar.querySelectorAll("button")) (u[one.dataset.do] = one).ariaLabel = t[one.dataset.do] ?? t.play;
    u.bar.ariaLabel = t.bar;
    u.seek.ariaLabel = t.seek;
    u.captions.hidden = !this.#tracks.length;
    this.#long(+this.dataset.seconds || 0);
    this.#at(0);
    u.seek.addEventListener("input", () => this.seek(+u.seek.value));
  }

  #long(seconds) { this.#ui.seek.max = seconds; this.#ui.end.textContent = clock(seconds); }

  #captions() {
    const on = this.#tracks.findIndex(t => t.mode === "showing"), b = this.#ui.captions, isOn = on >= 0;
    if (b.ariaPressed) b.ariaPressed = isOn;
    b.toggleAttribute("data-on", isOn);
    this.#menus?.mark("track", isOn ? `${on}` : "");
  }

  show(index) { this.#tracks.forEach((t, i) => { t.mode = i === index ? "showing" : "hidden"; }); }

  async #open(which) {
    try {
      this.#menus = await (this.#making ??= import("./lib/menus.js").then(made => made.menus({
        player: this, id: this.#id, t: this.#t, tracks: this.#tracks, sources: this.#sources, quality: this.#wanted?.dataset.label ?? "auto",
      })));
    } catch { this.#making = null; return; }
    this.#captions();
    this.#menus.open(which);
  }

  do(what) {
    const v = this.#v;
    if (what === "toggle") { if (v.paused) this.play(); else v.pause(); }
    if (what === "mute") { v.muted = !v.muted; if (v.muted && !this.#tracks.some(t => t.mode === "showing")) this.show(0); }
    if (what === "captions") { if (this.#tracks.length > 1) this.#open("tracks"); else this.show(this.#tracks[0]?.mode === "showing" ? -1 : 0); }
    if (what === "settings") this.#open("settings");
    if (what === "close") this.#menus?.open();
    if (what === "full") { if (document.fullscreenElement) document.exitFullscreen(); else if (this.requestFullscreen) this.requestFullscreen(); else v.webkitEnterFullscreen?.(); }
    const step = { back: -5, ahead: 5 }[what];
    if (step) this.seek(Math.max(0, v.currentTime + step));
    if (what === "again") this.#again();
    if (what === "lower") this.choose(this.#sources[0]?.dataset.label);
  }

  seek(seconds, play) {
    if (this.#v.readyState) this.#v.currentTime = seconds; else { this.#later(seconds); this.#at(seconds); }
    if (play) this.play();
  }

  #later(seconds) { this.#v.addEventListener("loadedmetadata", () => { this.#v.currentTime = seconds; }, { once: true }); }

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

  // A film that has nothing but its stream yet (`#begun` is taken back) is asked for from the beginning.
  #again() {
    const v = this.#v;
    this.say();
    v.controls = false;
    this.#load(this.#begun && v.getAttribute("src"));
    this.play();
  }

  #load(src) {
    const v = this.#v, at = v.currentTime, was = !v.paused;
    this.#hls?.destroy();
    this.#hls = null;
    if (src) v.src = src; else v.removeAttribute("src");
    v.load();
    if (at) this.#later(at);
    if (was) this.#go();
  }

  choose(label) {
    kept(label);
    this.say();
    const source = this.#sources.find(s => s.dataset.label === label);
    this.#menus?.mark("quality", label);
    if (this.#begun) this.#load(source?.src);
  }

  offer(act, label) {
    const one = el("button", { type: "button", textContent: this.#t[act]?.replace("{label}", label) ?? "" });
    one.dataset.do = act;
    return one;
  }

  say(words, ...more) {
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
    // What waits for a film that does not come counts as watched by nobody; the page may have a newer one.
    this.#v.pause();
    this.#begun = this.#v.controls = Boolean(file);
    this.dispatchEvent(new Event("clip-player:failed", { bubbles: true }));
    this.say(this.#t.failed, this.offer("again"), " ", file ? el("a", { href: file.src, download: "", textContent: weight ? `${this.#t.get} (${weight})` : this.#t.get }) : this.#t.later ?? "");
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
        if (!b?.matches(".choices, [aria-expanded]")) this.#menus?.open();
        if (b && !b.matches(".choices")) this.do(b.dataset.do || "toggle");
        return;
      }
      case "keydown": {
        if (e.ctrlKey || e.metaKey || e.altKey || e.shiftKey) return;
        const act = KEYS[e.key];
        if (/^ |^Arrow/.test(e.key) && e.target !== u.seek) return;
        if (act === "close" && !this.#menus?.isOpen) return;
        if (act) { e.preventDefault(); this.do(act); }
        return;
      }
      case "timeupdate":
        this.#at(v.currentTime);
        return;
      case "durationchange":
        if (Number.isFinite(v.duration)) this.#long(v.duration);
        return;
      case "volumechange":
        u.mute.ariaPressed = v.muted;
        u.mute.innerHTML = this.#icon(v.muted ? "mute" : "sound");
        return;
      case "error":
        if (e.target.matches("video, source:last-of-type")) this.#failed();
        return;
      default:
        // However it was started: by our buttons, the browser's menu, a key on a headset.
        if (e.type === "play") import("./lib/watch.js").then(one => one.watch(this, this.#t.slow), () => {});
        if (e.type === "play") for (const other of document.querySelectorAll("clip-player video")) if (other !== v) other.pause();
        u.big.hidden = !v.paused || !u.says.hidden || v.currentTime > 0 && !v.ended;
        u.toggle.innerHTML = this.#icon(v.paused ? "play" : "pause");
        u.toggle.ariaLabel = v.paused ? this.#t.play : this.#t.pause;
    }
  }
}
customElements.define("clip-player", ClipPlayer);
if (document.querySelector("a[data-at]")) import("./lib/transcript.js");
