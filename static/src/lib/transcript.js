// Links that carry data-at: they seek in the page, and in a .lines list the passage in play is marked. Without script they reload with ?t=.
const owner = link => document.getElementById(link.closest("[data-for]")?.dataset.for) ?? document.querySelector("clip-player");

addEventListener("click", e => {
  const link = e.target.closest?.("a[data-at]");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  owner(link)?.seek(+link.dataset.at, true);
});

addEventListener("timeupdate", e => {
  const player = e.target.closest?.("clip-player");
  if (!player) return;
  const rows = [...document.querySelectorAll(".lines a[data-at]")].filter(a => owner(a) === player);
  const on = rows.findLast(a => +a.dataset.at <= e.target.currentTime + .05);
  for (const a of rows) {
    if (a === on) a.closest("li").setAttribute("aria-current", "true"); else a.closest("li").removeAttribute("aria-current");
  }
}, true);
