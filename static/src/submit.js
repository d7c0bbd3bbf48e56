// A campaign's page: the film leaves at once, the form is kept as it is filled, both meet at the end.
import { people, rowsUpTo } from "./lib/people.js";
import { Sender } from "./lib/send.js";
import { prove } from "./lib/work.js";
import { pickUp } from "./lib/take.js";

const card = document.querySelector("[data-uploader]"), page = `vecu:${card.dataset.campaign}`, api = card.dataset.api;
const form = () => document.getElementById("about");
const load = () => { try { return JSON.parse(localStorage.getItem(page)) ?? {}; } catch { return {}; } };
let kept = load(), making, dirty = false, last = "", finished = "";
const keep = more => { Object.assign(kept, more); try { localStorage.setItem(page, JSON.stringify(kept)); } catch { /* a private window keeps nothing */ } };
const forget = () => { kept = {}; try { localStorage.removeItem(page); } catch { /* as above */ } };
const wait = s => new Promise(done => setTimeout(done, s * 1000));

async function ask(method, path, body, token) {
  const answer = await fetch(api + path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...token && { Authorization: `Bearer ${token}` } } });
  return { status: answer.status, told: await answer.json().catch(() => ({})) };
}

// One draft per page, made when the first film is chosen; a kept one is used again while it is open.
const draft = () => making ??= (async () => {
  for (let pause = 1, proof = ""; ; pause = Math.min(30, pause * 2)) {
    try {
      if (kept.id) {
        const { status, told } = await look();
        if (status === 200 && ["draft", "uploading"].includes(told.state)) break;
        if (status < 500) forget();
      }
      if (!kept.id) {
        const { status, told } = await ask("POST", "/submissions", { campaign: card.dataset.campaign, lang: document.documentElement.lang, invitation: card.dataset.invitation, proof });
        if (status === 201) { keep({ id: told.id, token: told.token }); break; }
        if (told.code === "challenge") { proof = await prove(told); continue; }
        if (status < 500 && status !== 429) throw Object.assign(new Error(told.detail), { status, told });
      }
    } catch (fault) { if (fault.status) { making = null; throw fault; } }
    await wait(pause);
  }
  form().token.value = kept.token;
  dirty = true;
  return kept;
})();

async function look() {
  const answer = await fetch(`${api}/submissions/${kept.id}`, { headers: { Authorization: `Bearer ${kept.token}` } });
  return { status: answer.status, told: await answer.json().catch(() => ({})) };
}

const sender = new Sender(card, draft);
sender.addEventListener("change", () => { const u = sender.upload; if (u.sent) keep({ file: { name: sender.file.name, share: u.sent / u.total } }); });
sender.addEventListener("done", () => { keep({ file: null, arrived: true }); if (finished) leave(); });
const leave = () => { sender.leaving = true; forget(); location.assign(finished); };

const values = () => [...form().elements].filter(f => f.name && f.type !== "hidden" && f.type !== "submit" && f.localName !== "fieldset");

function told() {
  const body = { themes: [] };
  for (const f of values()) {
    // A tick is an agreement only when the form is sent.
    if (f.name.startsWith("consents.") || f.name.startsWith("people") || f.type === "radio" && !f.checked) continue;
    else if (f.name === "themes") { if (f.checked) body.themes.push(f.value); }
    else if (f.name === "owned_since") { if (f.validity.valid) body.owned_since = f.value ? +f.value : null; }
    else if (f.name === "filmed_on") { if (/^(\d{4}-\d\d)?$/.test(f.value)) body.filmed_on = f.value ? `${f.value}-01` : null; }
    else if (f.validity.valid && f.value) body[f.name] = f.value;
  }
  const others = people();
  if (others) body.people = others;
  return body;
}

async function save() {
  if (!dirty || !kept.id || finished) return;
  const body = told(), now = JSON.stringify(body);
  dirty = false;
  if (now === last) return;
  try {
    const { status } = await ask("PATCH", `/submissions/${kept.id}`, body, kept.token);
    if (status === 200) { last = now; form().querySelector("[data-part=kept]").textContent = sender.words.saved; }
    else if (status >= 500 || status === 429) dirty = true;
  } catch { dirty = true; }
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
  if (kept.file) sender.again(kept.file.name, kept.file.share);
  if (kept.token) form().token.value = kept.token;
}

function begin() { form().script.value = "1"; few(); }
if (!document.getElementById("faults")) restore();
begin();
pickUp(card.dataset.campaign, sender);

document.addEventListener("input", e => {
  if (e.target.form !== form()) return;
  dirty = true;
  few();
  const words = { themes: [] };
  for (const f of values()) if (f.name === "themes") { if (f.checked) words.themes.push(f.value); } else if (!f.name.startsWith("consents.") && (f.checked || !/^(radio|checkbox)$/.test(f.type))) words[f.name] = f.value;
  keep({ words });
});

// While bytes are on their way the page stays: the form goes by itself, the page follows when the film is in.
document.addEventListener("submit", async e => {
  if (e.target !== form()) return;
  const sending = sender.upload?.active;
  if (!sending || e.submitter?.name === "later") { if (!sending && !e.submitter?.name) forget(); sender.leaving = !sending; return; }
  e.preventDefault();
  e.stopImmediatePropagation();
  const sent = form(), body = new FormData(sent);
  sent.inert = true;
  for (let pause = 1; ; pause = Math.min(30, pause * 2)) {
    try {
      const answer = await fetch(sent.action, { method: "post", body, headers: { Accept: "text/html" } });
      if (answer.redirected) {
        finished = answer.url; sender.filled = true;
        if (sender.upload.state === "done") leave(); else sender.show();
        return;
      }
      if (answer.status < 500 && answer.status !== 429) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("about");
        if (fresh) sent.replaceWith(document.adoptNode(fresh)); else sent.inert = false;
        begin();
        document.getElementById("faults")?.focus();
        return;
      }
    } catch { /* offline: try again */ }
    await wait(pause);
  }
}, true);
