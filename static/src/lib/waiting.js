// A version of the film that is being made: the page says how far it is, and shows it as soon as it can be watched.
// Nothing else on the page is touched: no film that plays, no word that somebody types, no place that has been scrolled to.
const find = (page, name) => page.querySelector(name);
const BOX = "#waiting-version", LIST = "#versions-list", HOW = "[data-waiting-how]";
const told = find(document, "[data-waiting-told]");
let pause = 2;

function list(page) {
  const here = find(document, LIST), fresh = find(page, LIST);
  if (here && fresh && !here.contains(document.activeElement)) here.replaceWith(document.adoptNode(fresh));
}

function show(here, page) {
  const fresh = find(page, BOX);
  list(page);
  const isSame = fresh?.dataset.number === here.dataset.number && fresh.dataset.state === here.dataset.state;
  if (isSame) {
    const bar = find(here, "progress"), now = find(fresh, "progress");
    if (bar && now) bar.value = now.value;
    find(here, HOW).textContent = find(fresh, HOW).textContent;
    return;
  }
  const held = here.contains(document.activeElement);
  if (fresh) here.replaceWith(document.adoptNode(fresh)); else here.remove();
  if (told) told.textContent = fresh ? find(fresh, HOW).textContent : "";
  // Whoever had a button of it under the finger is told what became of it there.
  if (held) find(document, "#versions")?.focus();
}

async function look() {
  const here = find(document, `${BOX}[data-poll]`);
  if (!here) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(here.dataset.poll, { cache: "no-store", headers: { Accept: "text/html" } });
      // Signed out meanwhile: another page answers, and tells nothing of versions.
      if (answer.ok && !answer.redirected) show(here, new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* offline: later */ }
    pause = Math.min(15, pause * 1.5);
  }
  setTimeout(look, pause * 1000);
}
setTimeout(look, pause * 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pause = 2; });
