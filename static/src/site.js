// Every page: partial updates (data-live), buttons that copy or share, forms that are sent once. Pages are complete without it.
const at = id => document.getElementById(id);
const said = at("live-said"), slow = at("live-slow");
let running, into, here = location.pathname + location.search;

const short = form => {
  const url = new URL(form.getAttribute("action") || location.pathname, location);
  const sent = new URLSearchParams(new FormData(form));
  url.search = new URLSearchParams([...sent].filter(([, v]) => v).sort());
  return url;
};

// The element of the new page that answers to the one that had the focus.
const twin = el => el?.id ? at(el.id) : el?.name && document.querySelector(`${el.localName}[name="${el.name}"]${el.type === "checkbox" || el.type === "radio" ? `[value="${CSS.escape(el.value)}"]` : ""}`);

async function live(url, parts, init = {}, push = true) {
  const whole = () => init.method ? location.reload() : location.assign(url);
  running?.abort();
  const mine = running = new AbortController();
  into = parts;
  const old = parts.split(" ").map(at).filter(Boolean);
  const later = [
    setTimeout(() => old.forEach(p => p.toggleAttribute("data-live-busy", true)), 150),
    setTimeout(() => { slow.querySelector("a").href = url; slow.hidden = false; }, 4000),
    setTimeout(whole, 15000),
  ];
  try {
    const answer = await fetch(url, { ...init, signal: mine.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== running) return;
    if (!old.every(p => page.getElementById(p.id))) throw page;
    const held = document.activeElement;
    for (const p of old) at(p.id).replaceWith(document.adoptNode(page.getElementById(p.id)));
    if (!held.isConnected) twin(held)?.focus({ preventScroll: true });
    document.title = page.title;
    if (push) history.pushState({ into }, "", answer.url);
    said.textContent = document.querySelector("[data-live-says]")?.textContent ?? page.title;
    document.dispatchEvent(new Event("live"));
  } catch (fault) {
    if (fault.name !== "AbortError") whole();
  } finally {
    later.forEach(clearTimeout);
    if (mine === running) { slow.hidden = true; old.forEach(p => p.removeAttribute("data-live-busy")); }
  }
}

addEventListener("submit", e => {
  const form = e.target;
  if (form.matches("[data-live]")) {
    e.preventDefault();
    if (form.method === "get") live(short(form), form.dataset.into);
    else live(form.action, form.dataset.into, { method: "post", body: new FormData(form, e.submitter) });
  } else if (form.matches("[data-submit-once]")) {
    if (form.ariaBusy) e.preventDefault();
    form.ariaBusy = "true";
    // Whoever stopped the browser may press again.
    setTimeout(() => { form.ariaBusy = null; }, 15000);
  }
});

// Where a finger presses and the browser can share, a link that may be shared is; the page's words follow (parts.css).
const shares = matchMedia("(pointer: coarse)").matches && navigator.share;
document.documentElement.toggleAttribute("data-shares", Boolean(shares));

// On plain http the clipboard is closed to scripts; what is selected can still be copied.
async function copied(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* the old way */ }
  const box = Object.assign(document.createElement("textarea"), { value: text, className: "sr" }), held = document.activeElement;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  held?.focus();
  return done;
}

addEventListener("click", async e => {
  const link = e.target.closest?.("a[data-live]"), copy = e.target.closest?.("[data-copy]");
  if (link && !(e.ctrlKey || e.metaKey || e.shiftKey)) {
    e.preventDefault();
    live(link.href, link.dataset.into);
  }
  if (copy) {
    const { share: title, copy: url } = copy.dataset;
    if (shares && title) try { return await navigator.share({ title, url }); } catch (fault) { if (fault.name === "AbortError") return; }
    const from = at(url), shown = [copy, ...copy.querySelectorAll("span")].filter(one => one.offsetParent);
    const label = shown.flatMap(one => [...one.childNodes]).find(one => one.nodeType === 3 && one.data.trim());
    const done = await copied(from?.value ?? from?.textContent ?? url);
    if (!done) from?.select?.();
    said.textContent = at(done ? "live-copied" : "live-not-copied").content.textContent;
    if (!label || copy.ariaBusy) return;
    const before = label.data;
    copy.ariaBusy = "true";
    label.data = said.textContent;
    setTimeout(() => { label.data = before; copy.ariaBusy = null; }, 3000);
  }
});

// A jump inside the page (#…) is a popstate too: only another address asks for another page.
const arrived = () => { here = location.pathname + location.search; };
document.addEventListener("live", arrived);
addEventListener("popstate", e => {
  if (here === location.pathname + location.search) return;
  const parts = e.state?.into ?? into;
  if (parts) live(location.href, parts, {}, false); else location.reload();
});
addEventListener("pageshow", e => { if (e.persisted) document.querySelectorAll("[data-submit-once]").forEach(f => { f.ariaBusy = null; }); });
document.querySelector("[data-focus]")?.focus();
