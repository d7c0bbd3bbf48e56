// People in the film: another row when one is wanted, and all rows as the API takes them.
const list = () => document.querySelector("[data-people]");
const rows = () => [...list()?.querySelectorAll("[data-person]") ?? []];

// As many rows as are wanted, at most as many as may be named.
export function rowsUpTo(wanted) {
  for (let n = rows().length; list() && n < Math.min(wanted, +list().dataset.most); n++) {
    const row = rows()[0].cloneNode(true), to = name => name.replace(/-1(?=-|$)/, `-${n + 1}`);
    row.querySelectorAll(".wrong, .state").forEach(e => e.remove());
    for (const e of row.querySelectorAll("[id], [name], [for]")) {
      for (const a of ["id", "name", "for"]) if (e.hasAttribute(a)) e.setAttribute(a, to(e.getAttribute(a)));
      for (const a of ["aria-invalid", "aria-describedby"]) e.removeAttribute(a);
      if (e.type === "checkbox") e.checked = e.defaultChecked = false; else if ("value" in e) e.value = e.defaultValue = "";
    }
    const number = row.querySelector("[data-number]");
    number.textContent = number.dataset.number.replace("{n}", n + 1);
    rows().at(-1).after(row);
  }
  const more = list()?.querySelector("[data-more]");
  if (more) more.hidden = rows().length >= +list().dataset.most;
}

export function people() {
  if (!list()) return undefined;
  if (list().querySelector("[name=people][value=none]").checked) return [];
  const told = rows().map(row => {
    const [name, email, minor] = ["name", "email", "minor"].map(part => row.querySelector(`[name$="-${part}"]`));
    return name.value.trim() && { name: name.value.trim(), minor: minor.checked, ...email.value && email.validity.valid && { email: email.value } };
  }).filter(Boolean);
  return told.length ? told : undefined;
}

rowsUpTo(0);
document.addEventListener("click", e => {
  if (!e.target.closest("[data-more]")) return;
  rowsUpTo(rows().length + 1);
  rows().at(-1).querySelector("input").focus();
});
