// What the recorder hands on: the take that was kept for this call goes to the uploader as if it had been chosen.
import * as takes from "./takes.js";

export async function pickUp(campaign, sender) {
  const name = `vecu:take:${campaign}`;
  // Where the recorder could not keep a film, it is this page's button that opens the phone's camera.
  if (new URLSearchParams(location.search).has("camera")) sender.part("file").setAttribute("capture", "user");
  let id, take, film;
  try {
    id = localStorage.getItem(name);
    take = id && await takes.find(id);
    film = take && await takes.film(take);
  } catch { /* a private window keeps nothing */ }
  if (!film?.size || sender.upload?.active) return;
  // A recording does not always say how long it is, and never what its owner cut off.
  film.seconds = take.seconds;
  film.edits = take.edits;
  sender.addEventListener("done", () => {
    localStorage.removeItem(name);
    if (sender.file === film) takes.drop(id);
  });
  sender.take(film);
}
