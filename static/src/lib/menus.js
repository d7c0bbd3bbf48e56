// The player's two menus: speed and quality, and captions where there are several. Made when one is first opened.
const SPEEDS = [.75, 1, 1.25, 1.5];

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const key in attributes) if (attributes[key] !== false) node.setAttribute(key, attributes[key]);
  node.append(...children);
  return node;
}

export function menus({ player, id, t, tracks, sources, quality }) {
  const { video } = player, find = on => player.querySelector(`[aria-controls="${on.id}"]`);
  const choices = (name, legend, items, on) => el("fieldset", { class: name }, el("legend", {}, legend), ...items.map(([value, label, hint]) => el("label", {},
    el("input", { type: "radio", name: `${id}-${name}`, "data-set": name, value, checked: value === on }),
    el("span", {}, label, ...(hint ? [" ", el("small", {}, hint)] : [])))));
  const menu = (name, ...inside) => el("div", { class: "choices", id: `${id}-${name}`, hidden: true }, ...inside);
  const speeds = SPEEDS.map(rate => [String(rate), `${rate.toLocaleString(document.documentElement.lang)}×`]);
  const all = {
    settings: menu("settings", choices("rate", t.speed, speeds, String(video.playbackRate)),
      ...(sources.length > 1 ? [choices("quality", t.quality, [["auto", t.auto], ...sources.map(s => [s.dataset.label, s.dataset.label, s.dataset.weight])], quality)] : [])),
    tracks: menu("tracks", choices("track", t.captions, [["", t.off], ...tracks.map((k, i) => [String(i), k.label])], "")),
  };
  player.append(all.settings, all.tracks);
  player.addEventListener("change", ({ target: { value, dataset } }) => {
    if (dataset.set === "rate") video.playbackRate = video.defaultPlaybackRate = +value;
    if (dataset.set === "quality") player.choose(value);
    if (dataset.set === "track") player.show(value === "" ? -1 : +value);
  });
  return {
    get isOpen() { return Object.values(all).some(one => !one.hidden); },
    mark(name, value) { for (const radio of player.querySelectorAll(`[data-set=${name}]`)) radio.checked = radio.value === value; },
    // Opens the one that is named, or shuts it when it is open; shuts the other, both without a name.
    open(which) {
      for (const name in all) {
        const one = all[name], button = find(one), opens = name === which && one.hidden, held = one.contains(document.activeElement);
        one.hidden = !opens;
        if (button) button.ariaExpanded = String(opens);
        if (opens) one.querySelector("input:checked")?.focus();
        else if (!which && held) button?.focus();
      }
    },
  };
}
