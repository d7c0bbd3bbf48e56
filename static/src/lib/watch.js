// How much of a film has been played: a view is told once a page, without a cookie and not where somebody asks not to be
// counted; who has seen nearly all of it is told to the page. And where it stands still, a lighter file is offered.
const PATIENCE = 8000;
const watched = new WeakSet();

function report(url) {
  if (navigator.doNotTrack === "1" || navigator.globalPrivacyControl) return;
  fetch(url, { method: "POST", keepalive: true, credentials: "omit", headers: { "Content-Type": "application/json" }, body: "{}" }).catch(() => {});
}

export function watch(player, slow) {
  const { video } = player;
  if (watched.has(player)) return;
  watched.add(player);
  let before = 0, last = 0, told = false;
  const look = () => {
    let now = 0;
    for (let i = 0; i < video.played.length; i++) now += video.played.end(i) - video.played.start(i);
    // Another file of the same film begins to count anew.
    if (now < last) before += last;
    last = now;
    const seen = before + now, { views } = player.dataset;
    if (views && seen >= Math.min(3, .9 * video.duration)) { delete player.dataset.views; report(views); }
    if (!told && video.duration && seen >= .9 * video.duration) {
      told = true;
      player.dispatchEvent(new CustomEvent("clip-player:watched", { bubbles: true }));
    }
  };
  let stall;
  const wait = () => {
    const [lightest, other] = video.querySelectorAll("source[data-label]");
    clearTimeout(stall);
    // None is lighter than the one that plays.
    if (other && video.currentSrc !== lightest.src) stall = setTimeout(() => player.say(slow, player.offer("lower", lightest.dataset.label)), PATIENCE);
  };
  video.addEventListener("timeupdate", look);
  video.addEventListener("waiting", wait);
  video.addEventListener("playing", () => { clearTimeout(stall); player.say(); });
  look();
  // It may stand still already.
  if (!video.paused && video.readyState < 3) wait();
}
