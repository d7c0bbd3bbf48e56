// The card of one film on its way: choosing, checking, showing how far it is, in the page's words.
import { Upload } from "../upload.js";

const lang = document.documentElement.lang;
const fill = (text, with_) => text.replace(/\{(\w+)\}/g, (_, key) => with_[key]);
const percent = part => new Intl.NumberFormat(lang, { style: "percent" }).format(part);
const mega = bytes => new Intl.NumberFormat(lang, { style: "unit", unit: "megabyte", maximumFractionDigits: bytes < 1e7 ? 1 : 0 }).format(bytes / 1e6);
const some = (n, unit) => new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" }).format(n);
const time = s => s < 55 ? some(Math.max(5, Math.ceil(s / 5) * 5), "second") : some(Math.round(s / 60) || 1, "minute");
const length = s => s < 60 ? some(Math.round(s), "second") : `${some(Math.floor(s / 60), "minute")}${s % 60 >= 1 ? ` ${some(Math.floor(s % 60), "second")}` : ""}`;

export class Sender extends EventTarget {
  filled = false;
  constructor(card, draft) {
    super();
    this.card = card; this.draft = draft; this.words = JSON.parse(card.dataset.words);
    this.part = name => card.querySelector(`[data-part=${name}]`);
    const input = this.part("file");
    input.addEventListener("click", () => { this.before = this.part("line").textContent; this.line(this.words.preparing); });
    input.addEventListener("cancel", () => this.line(this.before));
    input.addEventListener("change", () => input.files[0] && this.take(input.files[0]));
    this.part("pause").addEventListener("click", () => this.upload.state === "paused" ? this.upload.resume() : this.upload.pause());
    addEventListener("beforeunload", e => { if (this.upload?.active && !this.leaving) e.preventDefault(); });
    card.hidden = false;
  }

  line(words) { this.part("line").textContent = words; }
  refuse(words) { const p = this.part("wrong"); p.textContent = words; p.hidden = !words; }

  async take(file) {
    this.refuse("");
    const most = +this.card.dataset.maxBytes, longest = +this.card.dataset.maxSeconds, w = this.words;
    const no = words => { this.line(this.before ?? ""); this.part("file").value = ""; this.refuse(words); };
    if (!file.size) return no(w.empty);
    if (file.size > most) return no(fill(w.too_large, { total: mega(file.size), limit: mega(most) }));
    if (file.type ? !file.type.startsWith("video/") && file.type !== "application/octet-stream" : !/\.(mp4|m4v|mov|qt|webm|mkv|3gp|3g2|m?ts|avi|mpe?g)$/i.test(file.name)) return no(w.wrong_type);
    // A recording does not always know its own length; the recorder that made it does.
    const looked = await this.look(file), seconds = file.seconds ?? (looked < Infinity ? looked : NaN);
    if (seconds > longest + 1) return no(fill(w.too_long, { length: length(seconds), limit: length(longest) }));
    this.upload?.stop();
    this.upload = new Upload(file, this.draft, this.card.dataset.api);
    this.file = file;
    this.upload.addEventListener("change", () => this.show());
    this.part("bar").hidden = this.part("pause").hidden = false;
    this.part("pick").hidden = true;
    this.said = 0;
    if (this.part("file").matches(":focus")) this.part("pause").focus();
    await this.upload.run();
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
    const pause = this.part("pause");
    pause.hidden = !u.active || u.state === "completing";
    pause.textContent = u.state === "paused" ? w.resume : w.pause;
    let words = w[u.state] ?? "";
    if (u.state === "sending") words = u.note && u.left === null ? w[u.note] : this.filled ? (u.left ? w.filled : w.filled_soon) : u.left ? w.sending : w.starting;
    if (u.state === "stalled") facts.left = some(u.wait, "second");
    if (u.state === "failed") {
      const gone = u.code === "gone";
      this.refuse(gone ? w.gone : fill(w.failed, { reason: u.reason }));
      words = "";
      this.part("pick").hidden = false; this.part("file").value = "";
    }
    this.line(fill(words, facts));
    const quarter = done ? 4 : Math.floor(share * 4);
    if (quarter > this.said || ["offline", "stalled", "paused"].includes(u.state) && u.state !== this.told) {
      this.part("said").textContent = done ? w.done : ["offline", "stalled", "paused"].includes(u.state) ? fill(words, facts) : fill(w.said, facts);
      this.said = Math.max(this.said, quarter);
    }
    this.told = u.state;
    this.dispatchEvent(new Event("change"));
    if (done || u.state === "failed") this.dispatchEvent(new Event(u.state));
  }

  again(name, share) { this.line(fill(this.words.again, { name, percent: percent(share) })); }
}
