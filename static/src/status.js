// The owner's status page: says how far the film is, shows it as soon as it can be watched, takes one where it is wanted.
import "./lib/people.js";
import { Sender } from "./lib/send.js";

const find = (page, id) => page.getElementById(id), here = () => find(document, "where");
const watches = () => [...document.querySelectorAll("video")].some(v => !v.paused && !v.ended);
// 2, 4, 8 … 30 seconds; another state means another page, but never while somebody writes, watches or is in what is open.
let pause = 2, touched = false;
const touch = e => { if (e.target.type !== "file") touched = true; };
addEventListener("input", touch);
addEventListener("change", touch);
// Whoever has pressed something that leads on is not called back; where that led nowhere the page goes on after a while.
let left = -1e9;
addEventListener("beforeunload", () => { left = performance.now(); });
const isBusy = () => touched || watches() || performance.now() - left < 15000 || Boolean(document.activeElement?.closest("dialog[open], details[open]"));

// Whoever is somewhere on the page, by keyboard or by ear, is there again on the one that comes: found by its id, its
// name, where it leads, or what it lies in; else at the top of what the page says.
const PLACE = `place:${location.pathname}`;
function place() {
  const one = document.activeElement, at = one?.closest("[id], [name], [href], form");
  const is = name => at.hasAttribute(name) ? `[${name}="${CSS.escape(at.getAttribute(name))}"]` : "";
  return at ? `${at.localName}${["id", "name", "href", "action"].map(is).join("")}${at === one ? "" : ` ${one.localName}`}` : "";
}
function goTo(was) {
  const found = document.querySelector(was);
  found?.focus({ preventScroll: true });
  if (!found || found !== document.activeElement) find(document, "contenu").focus({ preventScroll: true });
}
function anew() {
  try { sessionStorage[PLACE] = place(); } catch { /* then the browser begins at the top */ }
  location.reload();
}
try {
  const was = sessionStorage[PLACE];
  delete sessionStorage[PLACE];
  // What is made by other scripts is there by then.
  if (was) addEventListener("load", () => goTo(was));
} catch { /* as above */ }

// The call's page forgets a clip only when all of it is known to be here; one that it began is told which it is.
function told() {
  const { clip: id } = here().dataset, sent = here().hasAttribute("data-sent"), token = /\/s\/([\w-]+)/.exec(location.pathname)?.[1];
  for (const name of Object.keys(localStorage)) {
    const kept = /^vecu:(?!take:)/.test(name) && JSON.parse(localStorage[name]);
    if (!kept || kept.id !== id && kept.token !== token) continue;
    if (sent) localStorage.removeItem(name); else if (!kept.id) localStorage[name] = JSON.stringify({ ...kept, id });
  }
}
try { told(); } catch { /* a private window keeps nothing */ }

// What was filmed in this browser for this very clip goes on by itself: no gallery has it.
async function recorded(sender, id, call) {
  try {
    if (!localStorage[`vecu:take:${call}`] || JSON.parse(localStorage[`vecu:${call}`]).id !== id) return;
    const { pickUp } = await import("./lib/take.js");
    await pickUp(call, sender);
  } catch { /* as above: then it is chosen by hand */ }
}

const card = document.querySelector("[data-uploader]");
if (card) {
  const { id, token } = card.dataset;
  const sender = new Sender(card, async () => ({ id, token }));
  // What somebody writes meanwhile, or watches, is not swept away: the card says that the film is in.
  sender.addEventListener("done", async () => {
    if (isBusy()) { here().toggleAttribute("data-poll", true); if (!asks) look(); return; }
    sender.leaving = true;
    // A take that is in is forgotten here first: whoever else listens is told meanwhile.
    await 0;
    await sender.settled;
    anew();
  });
  recorded(sender, id, card.dataset.takeOf);
}

// The first picture, or the finished film in its place; the player's script comes with the page that shows it.
async function show(page) {
  const old = find(document, "film"), fresh = find(page, "film");
  if (!old || !fresh || fresh.dataset.film === old.dataset.film || watches()) return;
  const held = old.contains(document.activeElement) && place(), at = old.querySelector("video")?.currentTime;
  old.replaceWith(document.adoptNode(fresh));
  const script = [...page.scripts].find(one => /\/player-/.test(one.src));
  if (script) await import(script.src);
  if (at) fresh.querySelector("clip-player")?.seek?.(at);
  if (held && document.activeElement === document.body) goTo(held);
}

// A page that somebody is busy on says where the clip is; the rest of it follows as soon as it may.
let asks = true, timer;
const soon = seconds => { clearTimeout(timer); timer = setTimeout(look, seconds * 1000); };
const shown = here().dataset.state, isLate = () => !touched && here().dataset.state !== shown;
async function look() {
  asks = here().hasAttribute("data-poll") || isLate();
  if (!asks) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html"), fresh = find(page, "where");
      if (answer.ok && fresh) {
        if (fresh.dataset.state !== shown && !isBusy()) { anew(); return; }
        await show(page);
        if (fresh.textContent !== here().textContent) here().replaceWith(document.adoptNode(fresh));
      }
    } catch { /* offline: later */ }
    // A film that has just arrived can be watched within seconds.
    pause = Math.min(find(document, "film")?.dataset.film ? 30 : 4, pause * 2);
  }
  soon(pause);
}
soon(pause);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pause = 2; });
// A first picture whose pieces are gone has most likely been followed by the film.
addEventListener("clip-player:failed", () => { if (asks) soon(pause = 1); });
