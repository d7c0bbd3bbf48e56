// The gallery: ticks apply at once, more clips load in place, a card moves when it is looked at for a while.
const calm = matchMedia("(prefers-reduced-motion: reduce), (pointer: coarse)");
const thrifty = () => calm.matches || navigator.connection?.saveData;

addEventListener("change", e => {
  const form = e.target.form;
  if (form?.matches("[data-live][data-auto]") && e.target.type !== "search") form.requestSubmit();
});

// Adds the next page's clips to the list, swaps the pager, and puts the focus on the first new one.
async function more(link) {
  const list = document.getElementById(link.dataset.more), pager = link.closest("nav");
  link.setAttribute("aria-disabled", "true");
  try {
    const page = new DOMParser().parseFromString(await (await fetch(link.href)).text(), "text/html");
    const fresh = [...page.getElementById(list.id).children].map(card => document.adoptNode(card));
    const next = page.getElementById(pager.id);
    list.append(...fresh);
    if (next) pager.replaceWith(document.adoptNode(next)); else pager.remove();
    history.replaceState(history.state, "", link.href);
    document.dispatchEvent(new Event("live"));
    fresh[0].querySelector("a").focus();
  } catch { location.assign(link.href); }
}

addEventListener("click", e => {
  const link = e.target.closest?.("a[data-more]");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  if (!link.ariaDisabled) more(link);
});

// Three silent seconds of a card on which pointer or focus rests; nothing is fetched before, and nothing stays behind.
let waiting, shown, resting;
function still() {
  clearTimeout(waiting);
  shown?.remove();
  shown = resting = null;
}
function look(e) {
  const frame = e.target.closest?.(".clip")?.querySelector("[data-preview]");
  if (frame && frame === resting) return;
  still();
  if (!frame || thrifty()) return;
  resting = frame;
  waiting = setTimeout(() => {
    const film = document.createElement("video");
    Object.assign(film, { muted: true, playsInline: true, tabIndex: -1, src: frame.dataset.preview });
    film.setAttribute("aria-hidden", "true");
    film.className = "glance";
    const end = () => { if (shown === film) still(); };
    film.addEventListener("ended", end);
    film.addEventListener("error", end);
    frame.append(film);
    shown = film;
    film.play().catch(end);
  }, 350);
}
for (const type of ["pointerover", "focusin"]) addEventListener(type, look);
for (const type of ["focusout", "blur", "pagehide"]) addEventListener(type, still);
document.documentElement.addEventListener("pointerleave", still);
calm.addEventListener("change", still);
