// What the recorder hands on: the take that was kept for this call goes to the uploader as if it had been chosen, on the
// call's page or on that of the clip which it began.
// And back: a film that is too long goes to the recorder's page, where its ends are cut.
import * as takes from "./takes.js";

async function handOver(sender) {
  const { long: film, card } = sender, begun = Date.now(), id = `${begun}`;
  try {
    await takes.keep({ id, campaign: card.dataset.campaign, type: film.type.split(";")[0], name: film.name, begun, whole: true, seconds: film.seconds });
    await takes.add(id, 0, film, 0);
    location.assign(`${card.dataset.cutter}#cut`);
  } catch {
    // No room for it here: it is cut where it was filmed.
    sender.part("cut").hidden = true;
  }
}

export async function pickUp(campaign, sender) {
  const name = `vecu:take:${campaign}`;
  sender.part("cut")?.addEventListener("click", () => handOver(sender));
  // Where the recorder could not keep a film, it is this page's button that opens the phone's camera.
  if (new URLSearchParams(location.search).has("camera")) sender.part("file").setAttribute("capture", "user");
  let id, take, film;
  try {
    id = localStorage.getItem(name);
    take = id && await takes.find(id);
    film = take && await takes.film(take);
  } catch { /* a private window keeps nothing */ }
  if (!film?.size || sender.choosing || sender.card.dataset.state) return;
  // A recording does not always say how long it is, and never what its owner cut off.
  film.seconds = take.seconds;
  film.edits = take.edits;
  sender.addEventListener("done", () => {
    localStorage.removeItem(name);
    if (sender.file === film) sender.settled = takes.drop(id).catch(() => 0);
  });
  // What is refused is not tried at each visit; the recorder still has it.
  sender.addEventListener("refused", () => localStorage.removeItem(name), { once: true });
  sender.take(film);
}
