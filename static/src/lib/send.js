// The card of one film on its way: choosing, checking, showing how far it is, in the page's words.
import { Upload } from "../upload.js";

const lang = document.documentElement.lang;
const fill = (text, with_) => text.replace(/\{(\w+)\}/g, (_, key) => with_[key]);
const percent = part => new Intl.NumberFormat(lang, { style: "percent" }).format(part);
const mega = bytes => new Intl.NumberFormat(lang, { style: "unit", unit: "megabyte", maximumFractionDigits: bytes < 1e7 ? 1 : 0 }).format(bytes / 1e6);
const some = (n, unit) => new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" }).format(n);
const time = s => s < 55 ? some(Math.max(5, Math.ceil(s / 5) * 5), "second") : some(Math.round(s / 60) || 1, "minute");
const clock = at => new Date(at).toLocaleString(lang, { hour: "numeric", minute: "numeric", ...new Date(at).getDate() !== new Date().getDate() && { weekday: "long" } });
const length = s => s < 60 ? some(Math.round(s), "second") : `${some(Math.floor(s / 60), "minute")}${s % 60 >= 1 ? ` ${some(Math.floor(s % 60), "second")}` : ""}`;

// A film is cut before it is sent where it is at most this many times as long as what is taken of it (portal/edits.py).
const CUTTABLE = 3;
const STILL = ["offline", "stalled", "held", "paused"];

export class Sender extends EventTarget {
  filled = false; choosing = false; also = ""; turn = 0; said = 0; spoke = 0;
  constructor(card, draft) {
    super();
    this.card = card; this.draft = draft; this.words = JSON.parse(card.dataset.words);
    this.part = name => card.querySelector(`[data-part=${name}]`);
    const input = this.part("file"), now = () => this.part("line").textContent;
    this.before = now(); this.choose = this.part("choose").textContent;
    input.addEventListener("click", () => { if (now() !== this.words.preparing) this.before = now(); this.line(this.words.preparing); });
    input.addEventListener("cancel", () => this.back());
    input.addEventListener("change", () => input.files[0] && this.take(input.files[0]));
    this.part("pause").addEventListener("click", () => this.upload.state === "paused" ? this.upload.resume() : this.upload.pause());
    this.part("retry").addEventListener("click", () => { this.card.focus(); this.take(this.file); });
    addEventListener("beforeunload", e => { if (this.upload?.active && !this.leaving) e.preventDefault(); });
    card.removeAttribute("data-waiting");
  }

  line(words) { this.part("line").textContent = words; }
  back() { if (this.upload?.active) this.show(); else this.line(this.before); }
  refuse(words) { const p = this.part("wrong"); p.textContent = words; p.hidden = !words; }

  async take(file) {
    const mine = ++this.turn, most = +this.card.dataset.maxBytes, longest = +this.card.dataset.maxSeconds, w = this.words, { edits = {} } = file;
    const cut = this.part("cut"), no = words => { this.choosing = false; this.part("file").value = ""; this.back(); this.refuse(words); this.dispatchEvent(new Event("refused")); };
    this.refuse("");
    if (cut) cut.hidden = true;
    if (!file.size) return no(w.empty);
    if (file.size > most) return no(fill(w.too_large, { total: mega(file.size), limit: mega(most) }));
    if (file.type ? !file.type.startsWith("video/") && file.type !== "application/octet-stream" : !/\.(mp4|m4v|mov|qt|webm|mkv|3gp|3g2|m?ts|avi|mpe?g)$/i.test(file.name)) return no(w.wrong_type);
    this.choosing = true;
    // A recording does not always know its own length; the recorder that made it does.
    const looked = await this.look(file), whole = file.seconds ?? (looked < Infinity ? looked : NaN), seconds = (edits.end ?? whole) - (edits.start ?? 0);
    if (mine !== this.turn) return;
    if (seconds > longest + 1) {
      this.long = Object.assign(file, { seconds: whole });
      no(fill(w.too_long, { length: length(seconds), limit: length(longest) }));
      if (cut) cut.hidden = whole > CUTTABLE * longest;
      return;
    }
    // The same film chosen again goes on with what has arrived.
    if (this.upload?.active && file.size !== this.file.size) this.upload.drop(); else this.upload?.stop();
    this.upload = new Upload(file, this.draft, this.card.dataset.api);
    this.file = file;
    this.upload.addEventListener("change", () => this.show());
    this.part("bar").hidden = this.part("pause").hidden = false;
    this.said = 0;
    const sent = this.upload.run();
    this.choosing = false;
    await sent;
  }

  // The film's first picture, and its length when this browser can read it; the worker looks properly later.
  look(file) {
    const film = this.card.querySelector("video");
    return new Promise(done => {
      const timer = setTimeout(done, 8000, NaN);
      const end = seconds => { clearTimeout(timer); done(seconds); };
      film.onloadeddata = () => { film.hidden = false; film.previousElementSibling.hidden = true; };
      film.onloadedmetadata = () => end(film.duration);
      film.onerror = () => end(NaN);
      if (film.src) URL.revokeObjectURL(film.src);
      film.src = URL.createObjectURL(file);
    });
  }

  show() {
    const u = this.upload, w = this.words, share = u.total ? u.sent / u.total : 0, done = u.state === "done";
    const facts = { sent: mega(u.sent), total: mega(u.total), percent: percent(share), left: u.left ? time(u.left) : "" };
    this.part("percent").textContent = done ? "" : percent(share);
    this.part("bar").value = done ? 100 : Math.floor(share * 100);
    this.card.dataset.state = u.state;
    const pause = this.part("pause"), pick = this.part("pick"), held = pick.contains(document.activeElement);
    pause.hidden = !u.active || u.state === "completing";
    pause.textContent = u.state === "paused" ? w.resume : w.pause;
    // Another film may take its place until this one is whole.
    pick.hidden = done || u.state === "completing";
    this.part("choose").textContent = u.active ? w.other : this.choose;
    if (held && pick.hidden) this.card.focus();
    let words = w[u.state] ?? "";
    if (u.state === "hashing" && this.filled) words = w.filled_soon;
    if (u.state === "sending") words = u.note && u.left === null ? w[u.note] : this.filled ? (u.left ? w.filled : w.filled_soon) : u.left ? w.sending : w.starting;
    if (u.state === "stalled" || u.state === "held") facts.left = some(u.wait, "second");
    if (u.state === "held") {
      Object.assign(facts, { reason: u.reason, time: clock(u.again) });
      if (u.wait > 90) words = w.held_long;
    }
    // What hangs on its owner's other films may be otherwise in a minute: it is sent again from here.
    const mayRetry = u.state === "failed" && u.status === 429;
    this.part("retry").hidden = !mayRetry;
    if (u.state === "failed") {
      const gone = u.code === "gone";
      this.refuse(gone ? w.gone : fill(mayRetry ? w.failed_kept : w.failed, { reason: u.reason }));
      words = "";
      this.part("file").value = "";
    }
    this.line(`${fill(words, facts)} ${this.also}`.trim());
    // A weak line comes and goes: it is spoken of once a minute, a pause that somebody asked for at once.
    const quarter = done ? 4 : Math.floor(share * 4), still = STILL.includes(u.state), at = performance.now();
    const speaks = still && u.state !== this.told && (u.state === "paused" || !this.spoke || at - this.spoke > 6e4);
    if (speaks || quarter > this.said) this.part("said").textContent = done ? w.done : still ? fill(words, facts) : fill(w.said, facts);
    this.said = Math.max(this.said, quarter);
    if (speaks && u.state !== "paused") this.spoke = at;
    if (speaks || !still) this.told = u.state;
    this.dispatchEvent(new Event("change"));
    if (done || u.state === "failed") this.dispatchEvent(new Event(u.state));
  }

  // The form is with us: the page stays for the film alone, and can be left for the clip's own.
  sent(url) {
    const link = this.part("status");
    this.filled = true;
    if (this.upload) this.show(); else this.line(this.words.filled_soon);
    this.part("said").textContent = this.part("line").textContent;
    link.href = url;
    link.hidden = false;
    this.card.focus();
  }

  again(name, share) { this.line(fill(this.words.again, { name, percent: percent(share) })); }

  // Nothing is known of a film here any more.
  anew() {
    this.line(this.before);
    this.part("bar").hidden = true;
    this.part("pick").hidden = false;
    delete this.card.dataset.state;
  }

  // The film came in before this page was opened.
  arrived() {
    this.line(this.words.done);
    this.part("bar").hidden = false;
    this.part("bar").value = 100;
    this.part("pick").hidden = true;
    this.card.dataset.state = "done";
  }
}
