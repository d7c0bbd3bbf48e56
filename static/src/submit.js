// A campaign's page: the film leaves at once, the form is kept as it is filled, both meet at the end.
import { people, rowsUpTo } from "./lib/people.js";
import { Sender } from "./lib/send.js";
import { isFinal } from "./upload.js";
import { prove } from "./lib/work.js";
import { pickUp } from "./lib/take.js";

const card = document.querySelector("[data-uploader]"), page = `vecu:${card.dataset.campaign}`, api = card.dataset.api;
const form = () => document.getElementById("about");
const load = () => { try { return JSON.parse(localStorage.getItem(page)) ?? {}; } catch { return {}; } };
// What the server answers for a draft that is no more, or no more ours.
const GONE = [401, 403, 404, 410];
let kept = load(), making, dirty = false, saving = false, last = "", finished = "";
const own = form().token.value, refused = new Map();
const keep = more => { Object.assign(kept, more); try { localStorage.setItem(page, JSON.stringify(kept)); } catch { /* a private window keeps nothing */ } };
const forget = () => { kept = {}; try { localStorage.removeItem(page); } catch { /* as above */ } };
const renew = () => { const { words } = kept; forget(); if (words) keep({ words }); form().token.value = own; };
const wait = s => new Promise(done => setTimeout(done, s * 1000));

async function ask(method, path, body, token) {
  const answer = await fetch(api + path, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json", ...token && { Authorization: `Bearer ${token}` } } });
  return { status: answer.status, told: await answer.json().catch(() => ({})) };
}
const look = () => ask("GET", `/submissions/${kept.id}`, undefined, kept.token);
// The film is in, and the form has not been sent: an address that is to be confirmed is asked for by letter.
const lacks = ({ state, missing }) => state === "processing" && missing.some(one => one !== "email_confirmation");
const isOpen = told => ["draft", "uploading"].includes(told.state) || lacks(told);

// One draft per page, made when the first film is chosen; a kept one is used again while it is open.
const draft = () => making ??= (async () => {
  for (let pause = 1, proof = ""; ; pause = Math.min(30, pause * 2)) {
    let says;
    try {
      if (kept.id) {
        const { status, told } = await look();
        if (status === 200 && isOpen(told)) break;
        if (status === 200 || GONE.includes(status)) renew(); else says = told;
      }
      if (!kept.id) {
        const { status, told } = await ask("POST", "/submissions", { campaign: card.dataset.campaign, lang: document.documentElement.lang, invitation: card.dataset.invitation, proof });
        if (status === 201) { keep({ id: told.id, token: told.token }); break; }
        if (told.code === "challenge") { proof = await prove(told); continue; }
        if (isFinal(status, told)) throw Object.assign(new Error(told.detail), { status, told });
        says = told;
      }
    } catch (fault) {
      if (fault.status) { making = null; throw fault; }
      sender.line(sender.words.offline);
    }
    // The card says what is waited for; another film that is chosen, or a line that comes back, ends the wait.
    await (sender.upload?.active ? sender.upload.nap(says) : wait(pause));
  }
  form().token.value = kept.token;
  dirty = true;
  return kept;
})();

const sender = new Sender(card, draft);
sender.addEventListener("change", () => { const u = sender.upload; if (u.state === "hashing") date(sender.file); steps(); if (u.sent) keep({ file: { name: sender.file.name, share: u.sent / u.total } }); });
sender.addEventListener("done", () => { keep({ file: null, arrived: true }); if (finished) leave(); });
sender.addEventListener("failed", () => { making = null; });
// A take that is in is forgotten here first: whoever else listens is told meanwhile.
const leave = async () => { sender.leaving = true; await 0; await sender.settled; forget(); location.assign(finished); };

const values = () => [...form().elements].filter(f => f.name && f.type !== "hidden" && f.type !== "submit" && f.localName !== "fieldset");

function told() {
  const body = { themes: [] };
  for (const f of values()) {
    // A tick is an agreement only when the form is sent; and a letter goes to no address that may be half typed.
    if (f.name === "email" || f.name.startsWith("consents.") || f.name.startsWith("people") || f.type === "radio" && !f.checked) continue;
    else if (f.name === "themes") { if (f.checked) body.themes.push(f.value); }
    else if (f.name === "altered") body.altered = f.checked;
    else if (f.name === "owned_since") { if (f.validity.valid) body.owned_since = f.value ? +f.value : null; }
    else if (f.name === "filmed_on") { if (/^(\d{4}-\d\d)?$/.test(f.value)) body.filmed_on = f.value ? `${f.value}-01` : null; }
    else if (f.validity.valid && f.value) body[f.name] = f.value;
  }
  const others = people();
  if (others) body.people = others;
  for (const [name, value] of refused) if (JSON.stringify(body[name]) === value) delete body[name]; else refused.delete(name);
  return body;
}

// A value that is refused keeps no other from being kept.
async function save() {
  if (!dirty || saving || !kept.id || finished) return;
  const body = told(), now = JSON.stringify(body), says = form().querySelector("[data-part=kept]");
  dirty = false;
  if (now === last) return;
  saving = true;
  try {
    const { status, told: answer } = await ask("PATCH", `/submissions/${kept.id}`, body, kept.token);
    if (status === 200) { last = now; says.textContent = refused.size ? "" : sender.words.saved; }
    else if (status >= 500 || status === 429) dirty = true;
    else {
      says.textContent = "";
      for (const { field } of answer.errors ?? []) {
        const [name] = field.split(/\W/);
        if (name in body) { refused.set(name, JSON.stringify(body[name])); dirty = true; }
      }
    }
  } catch { dirty = true; } finally { saving = false; }
}
setInterval(save, 5000);

const few = () => {
  const ticks = form().querySelectorAll("[name=themes]"), most = +form().querySelector("[data-most]").dataset.most;
  const full = [...ticks].filter(t => t.checked).length >= most;
  for (const t of ticks) t.disabled = full && !t.checked;
};

// Words come back after a reload; consents are given by hand each time.
function restore() {
  rowsUpTo(Math.max(0, ...Object.keys(kept.words ?? {}).map(name => +/^people-(\d+)-/.exec(name)?.[1] || 0)));
  for (const f of values()) {
    const known = kept.words?.[f.name];
    if (known === undefined || f.name.startsWith("consents.")) continue;
    if (f.name === "themes") f.checked = known.includes(f.value);
    else if (f.type === "radio" || f.type === "checkbox") f.checked = known === f.value;
    else if (!f.value || f.name === "speech_lang") f.value = known;
  }
}

// So does the film, as far as it came. A clip that has been sent since is no longer this page's.
async function recall() {
  if (kept.token) form().token.value = kept.token;
  if (!kept.id) return;
  if (kept.arrived) { sender.arrived(); steps(); } else if (kept.file) sender.again(kept.file.name, kept.file.share);
  const { status, told } = await look().catch(() => ({}));
  if (making || sender.choosing || status !== 200 && !GONE.includes(status)) return;
  if (status === 200 && isOpen(told)) {
    if (lacks(told) && !kept.arrived) { keep({ file: null, arrived: true }); sender.arrived(); }
    steps();
    return;
  }
  sender.anew();
  if (status !== 200 || told.state === "failed") { renew(); return; }
  forget();
  form().token.value = own;
  if (!dirty) { form().reset(); few(); }
  steps();
}

// The law wants the date of what is told: the month of the file is proposed, and is its owner's from the first touch on.
const month = () => form().elements.filmed_on;
function date({ lastModified: at }) {
  const field = month(), day = new Date(at);
  if (kept.month === "own" || field.value && field.value !== kept.month) return;
  field.value = at <= Date.now() && day.getFullYear() >= 2000 ? `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}` : "";
  keep({ month: field.value });
  changed();
}
const dated = () => { form().querySelector("[data-part=dated]").hidden = !month().value || month().value !== kept.month; };

// Where one is on the page; the call in full makes room as soon as there is a film.
let isRead = false;
function steps() {
  const { state } = card.dataset, isSound = which => values().every(f => which !== f.name.startsWith("consents.") || f.validity.valid);
  const done = { question: true, film: state && state !== "failed", texts: isSound(false), consents: isSound(true) };
  const now = Object.keys(done).find(step => !done[step]);
  for (const one of document.querySelectorAll("[data-step]")) {
    const { step } = one.dataset;
    one.classList.toggle("done", Boolean(done[step]));
    one.lastElementChild.hidden = !done[step];
    if (step === now) one.ariaCurrent = "step"; else one.removeAttribute("aria-current");
  }
  if (done.film && !isRead) { isRead = true; document.getElementById("call").open = false; }
}

function begin() { form().script.value = "1"; rowsUpTo(0); few(); dated(); steps(); }
if (!document.getElementById("faults")) restore();
begin();
recall();
pickUp(card.dataset.campaign, sender);

function changed() {
  dirty = true;
  few();
  dated();
  steps();
  const words = { themes: [] };
  for (const f of values()) if (f.name === "themes") { if (f.checked) words.themes.push(f.value); } else if (!f.name.startsWith("consents.") && (f.checked || !/^(radio|checkbox)$/.test(f.type))) words[f.name] = f.value;
  keep({ words });
}
document.addEventListener("input", e => {
  if (e.target.form !== form()) return;
  if (e.target === month()) keep({ month: "own" });
  changed();
});

// Not taken: the same form with its faults, or a page that says why.
function again(sent, text) {
  const answer = new DOMParser().parseFromString(text, "text/html"), fresh = answer.getElementById("about");
  if (fresh) { sent.replaceWith(document.adoptNode(fresh)); begin(); document.getElementById("faults")?.focus(); return; }
  sent.inert = false;
  sender.refuse(["h1", "p"].map(one => answer.querySelector(`main ${one}`)?.textContent.trim()).filter(Boolean).join(". "));
}

// While a film is being chosen or on its way the page stays: the form goes by itself, the page follows when the film is in.
document.addEventListener("submit", async e => {
  if (e.target !== form()) return;
  const sent = form(), isBusy = sender.choosing || sender.upload?.active, isLater = e.submitter?.name === "later";
  if (!isBusy || isLater && sent.token.value === kept.token) { sender.leaving = !isBusy; keep({ token: sent.token.value }); return; }
  e.preventDefault();
  e.stopImmediatePropagation();
  sent.inert = true;
  // Both go to one draft, the film's: the form waits until it is made.
  try { await draft(); } catch (fault) { sent.inert = false; sender.refuse(fault.message); return; }
  if (isLater) { sent.inert = false; sent.requestSubmit(e.submitter); return; }
  const body = new FormData(sent);
  for (let pause = 1; ; pause = Math.min(30, pause * 2)) {
    try {
      const answer = await fetch(sent.action, { method: "post", body, headers: { Accept: "text/html" } });
      sender.also = "";
      if (answer.redirected) {
        finished = answer.url;
        if (sender.choosing || sender.upload && sender.upload.state !== "done") sender.sent(finished); else leave();
        return;
      }
      if (answer.status < 500 && answer.status !== 429) return again(sent, await answer.text());
    } catch { /* offline: try again */ }
    if (pause > 1) { sender.also = sender.words.retrying; sender.back(); }
    await wait(pause);
  }
}, true);
