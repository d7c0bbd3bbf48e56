// The owner's status page: says how far the film is while the worker has it, and takes a film where one is wanted.
import { Sender } from "./lib/send.js";

const card = document.querySelector("[data-uploader]");
if (card) {
  const { id, token } = card.dataset;
  const sender = new Sender(card, async () => ({ id, token }));
  sender.addEventListener("done", () => { sender.leaving = true; location.reload(); });
}

// 2, 4, 8 … 30 seconds; another state means another page, but never while somebody writes.
let pause = 2, touched = false;
addEventListener("input", () => { touched = true; });
async function look() {
  const here = document.getElementById("where");
  if (!here.hasAttribute("data-poll")) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("where");
      if (answer.ok && fresh) {
        if (fresh.dataset.state !== here.dataset.state && !touched) { location.reload(); return; }
        if (fresh.textContent !== here.textContent) here.replaceWith(document.adoptNode(fresh));
      }
    } catch { /* offline: later */ }
    pause = Math.min(30, pause * 2);
  }
  setTimeout(look, pause * 1000);
}
setTimeout(look, pause * 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pause = 2; });
