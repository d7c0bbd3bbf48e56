// The owner's status page: says how far the film is, shows it as soon as it can be watched, takes one where it is wanted.
import "./lib/people.js";
import { Sender } from "./lib/send.js";

const card = document.querySelector("[data-uploader]");
if (card) {
  const { id, token } = card.dataset;
  const sender = new Sender(card, async () => ({ id, token }));
  sender.addEventListener("done", () => { sender.leaving = true; location.reload(); });
}

// 2, 4, 8 … 30 seconds; another state means another page, but never while somebody writes or watches.
let pause = 2, touched = false;
addEventListener("input", () => { touched = true; });
const watches = () => [...document.querySelectorAll("video")].some(v => !v.paused && !v.ended);
const find = (page, id) => page.getElementById(id);

// The first picture, or the finished film in its place; the player's script comes with the page that shows it.
async function show(page) {
  const here = find(document, "film"), fresh = find(page, "film");
  if (!here || !fresh || fresh.dataset.film === here.dataset.film || watches()) return;
  here.replaceWith(document.adoptNode(fresh));
  const script = [...page.scripts].find(one => /\/player-/.test(one.src));
  if (script) await import(script.src);
}

async function look() {
  const here = find(document, "where");
  if (!here.hasAttribute("data-poll")) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html"), fresh = find(page, "where");
      if (answer.ok && fresh) {
        if (fresh.dataset.state !== here.dataset.state && !touched && !watches()) { location.reload(); return; }
        await show(page);
        if (fresh.textContent !== here.textContent && fresh.dataset.state === here.dataset.state) here.replaceWith(document.adoptNode(fresh));
      }
    } catch { /* offline: later */ }
    // A film that has just arrived can be watched within seconds.
    pause = Math.min(find(document, "film")?.dataset.film ? 30 : 4, pause * 2);
  }
  setTimeout(look, pause * 1000);
}
setTimeout(look, pause * 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pause = 2; });
