// The owner's status page: says how far the film is, shows it as soon as it can be watched, takes one where it is wanted.
import "./lib/people.js";
import { Sender } from "./lib/send.js";

const find = (page, id) => page.getElementById(id), here = () => find(document, "where");
const watches = () => [...document.querySelectorAll("video")].some(v => !v.paused && !v.ended);
// 2, 4, 8 … 30 seconds; another state means another page, but never while somebody writes or watches.
let pause = 2, touched = false;
const touch = e => { if (e.target.type !== "file") touched = true; };
addEventListener("input", touch);
addEventListener("change", touch);

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

const card = document.querySelector("[data-uploader]");
if (card) {
  const { id, token } = card.dataset;
  const sender = new Sender(card, async () => ({ id, token }));
  // What somebody writes meanwhile, or watches, is not swept away: the card says that the film is in.
  sender.addEventListener("done", () => {
    if (touched || watches()) { here().toggleAttribute("data-poll", true); if (!asks) look(); return; }
    sender.leaving = true;
    location.reload();
  });
}

// The first picture, or the finished film in its place; the player's script comes with the page that shows it.
async function show(page) {
  const old = find(document, "film"), fresh = find(page, "film");
  if (!old || !fresh || fresh.dataset.film === old.dataset.film || watches()) return;
  old.replaceWith(document.adoptNode(fresh));
  const script = [...page.scripts].find(one => /\/player-/.test(one.src));
  if (script) await import(script.src);
}

let asks = true;
async function look() {
  asks = here().hasAttribute("data-poll");
  if (!asks) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html"), fresh = find(page, "where");
      if (answer.ok && fresh) {
        const isSame = fresh.dataset.state === here().dataset.state;
        if (!isSame && !touched && !watches()) { location.reload(); return; }
        await show(page);
        if ((isSame || touched) && fresh.textContent !== here().textContent) here().replaceWith(document.adoptNode(fresh));
      }
    } catch { /* offline: later */ }
    // A film that has just arrived can be watched within seconds.
    pause = Math.min(find(document, "film")?.dataset.film ? 30 : 4, pause * 2);
  }
  setTimeout(look, pause * 1000);
}
setTimeout(look, pause * 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pause = 2; });
