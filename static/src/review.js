// The studio's keys (see the list behind "?"), the checklist, reasons that write their paragraph, and the undo countdown.
const $ = s => document.querySelector(s), $$ = s => [...document.querySelectorAll(s)];
const player = () => $("clip-player");
const now = () => player()?.video?.currentTime ?? 0;
const clock = s => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const PLAYS = { " ": "toggle", k: "toggle", j: "back", l: "ahead", ArrowLeft: "back", ArrowRight: "ahead", m: "mute", f: "full" };
// A frame back or ahead, slower or faster: what only people who look closely want.
const step = by => video => { video.currentTime = Math.max(0, video.currentTime + by); };
const pace = by => video => { video.playbackRate = video.defaultPlaybackRate = Math.min(2, Math.max(.5, video.playbackRate + by)); };
const FINE = { ",": step(-1 / 25), ".": step(1 / 25), "[": pace(-.25), "]": pace(.25) };
// What a control under the focus does with a key comes first: buttons and links are pressed, sliders and radios moved.
const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]), PRESSES = new Set([" ", "Enter"]);
const isTaken = e => (ARROWS.has(e.key) && e.target.closest("input, [popover]")) || (PRESSES.has(e.key) && e.target.closest("button, a, summary, input, [popover]"));

const typing = el => el.isContentEditable || el.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=range])");

function act(el) {
  el.scrollIntoView({ block: "nearest" });
  if (el.matches("input:not([type=checkbox], [type=submit]), textarea, select")) return el.focus();
  el.click();
  if (el.matches("summary") && el.parentElement.open) setTimeout(() => el.parentElement.querySelector("input:not([type=hidden]), textarea, select, button")?.focus());
}

// Round in a ring: behind the last mark comes the first, before the first the last.
function toSignal(by) {
  const marks = $$("[data-signal][data-at]").map(a => +a.dataset.at).sort((a, b) => a - b);
  const at = by > 0 ? marks.find(m => m > now() + .1) ?? marks[0] : marks.findLast(m => m < now() - .5) ?? marks.at(-1);
  if (at !== undefined) player()?.seek(at, true);
}

function move(by) {
  const rows = $$("a[data-row]"), here = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, here + by))]?.focus();
}

// One key (or two, "g q") → what it does; undefined when the page has no use for it.
function meaning(keys, shifted) {
  if (keys === "?") return () => $("#shortcuts")?.togglePopover();
  const el = $(`[data-key="${CSS.escape(keys)}"]:not([aria-disabled=true], :disabled)`);
  if (el) return () => act(el);
  if (shifted && (keys === "ArrowRight" || keys === "ArrowLeft")) return () => toSignal(keys === "ArrowRight" ? 1 : -1);
  if (player() && PLAYS[keys]) return () => player().do(PLAYS[keys]);
  if (player() && FINE[keys]) return () => FINE[keys](player().video);
  if (/^[1-9]$/.test(keys)) return $$(".panel .tick input")[keys - 1] && (() => $$(".panel .tick input")[keys - 1].click());
  if (keys === "j" || keys === "k") return () => move(keys === "j" ? 1 : -1);
  if (keys === "x") return () => document.activeElement.closest("tr, li")?.querySelector("input[type=checkbox]")?.click();
  return undefined;
}

let prefix = "", forget;
addEventListener("keydown", e => {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || document.body.dataset.keys === "off" || typing(e.target)) return;
  if (isTaken(e)) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  const does = meaning(prefix ? `${prefix} ${key}` : key, e.shiftKey);
  clearTimeout(forget);
  const first = !prefix && !does && $(`[data-key^="${CSS.escape(key)} "]`);
  prefix = first ? key : "";
  if (first) forget = setTimeout(() => { prefix = ""; }, 1500);
  if (does || first) e.preventDefault();
  does?.();
});
for (const el of $$("[data-key]")) if (!el.hasAttribute("aria-keyshortcuts")) el.setAttribute("aria-keyshortcuts", el.dataset.key);

addEventListener("clip-player:watched", () => {
  const box = $("[data-watched]");
  if (box && !box.checked) box.click();
});

// Deciding for publication asks for the whole checklist; what is missing is said in one line and gets the focus.
addEventListener("submit", e => {
  if (!e.submitter?.matches("[data-needs-checks]")) return;
  const missing = [...e.target.querySelectorAll("[data-checks] input[type=checkbox]")].filter(box => !box.checked);
  const line = e.target.querySelector("[data-missing]");
  if (line) line.hidden = !missing.length;
  if (!missing.length) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  missing[0].focus();
}, true);

// A reason writes its paragraph, with the passage on screen, where a person goes on editing it.
function insert(source, text) {
  const area = document.getElementById(source.dataset.insertReason);
  if (!area || !text) return;
  const words = text.replaceAll("{t}", clock(now()));
  area.value = [area.value.trimEnd(), words].filter(Boolean).join("\n\n");
  stamp(area);
  area.focus();
}

// The moment that a note or a reason is about: written once, when the person starts on it.
function stamp(area) {
  const field = area.form?.querySelector("[data-stamp]");
  if (field && !field.value && now()) field.value = now().toFixed(1);
}

addEventListener("click", e => {
  const button = e.target.closest?.("button[data-insert-reason]");
  if (button) insert(button, button.dataset.text);
  const track = e.target.closest?.("a") ? null : e.target.closest?.(".track svg");
  if (track && player()) {
    const box = track.getBoundingClientRect();
    player().seek((e.clientX - box.left) / box.width * (player().video.duration || +player().dataset.seconds));
  }
});
addEventListener("change", e => {
  const { target } = e;
  if (target.matches("select[data-insert-reason]")) insert(target, target.selectedOptions[0]?.dataset.text);
  if (target.matches("input[data-insert-reason]:checked")) insert(target, target.dataset.text);
});
addEventListener("focusin", e => { if (e.target.matches?.("textarea")) stamp(e.target); });

addEventListener("timeupdate", e => {
  const head = $("[data-playhead]"), { duration } = e.target;
  if (head && duration) head.setAttribute("transform", `translate(${e.target.currentTime / duration * head.ownerSVGElement.viewBox.baseVal.width})`);
}, true);

for (const line of $$("[data-undo]")) {
  let left = +line.dataset.undo;
  const each = setInterval(() => {
    const figure = line.querySelector("[data-left]");
    left -= 1;
    if (figure) figure.textContent = left;
    if (left > 0) return;
    clearInterval(each);
    line.querySelector("form, button")?.remove();
  }, 1000);
}

// Instants of a cut are the whole film's: what the player shows is put back through the passages that are kept of it.
for (const form of $$("form[data-kept]")) {
  const kept = JSON.parse(form.dataset.kept), word = form.dataset.takeWord;
  const inFilm = at => {
    for (const [start, end] of kept) {
      if (at <= end - start) return start + at;
      at -= end - start;
    }
    return kept.at(-1)?.[1] ?? at;
  };
  for (const field of form.querySelectorAll("[data-take]")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "btn small", textContent: word });
    const legend = field.closest("fieldset")?.querySelector("legend")?.textContent ?? "";
    button.setAttribute("aria-label", `${word} : ${legend} ${field.labels[0].firstChild.textContent}`.trim());
    button.addEventListener("click", () => {
      const at = inFilm(now());
      field.value = `${Math.floor(at / 60)}:${(at % 60).toFixed(3).padStart(6, "0")}`;
    });
    field.after(button);
  }
}

if ($("#waiting-version[data-poll]")) import("./lib/waiting.js");
