// Filming in the page: explained before the browser asks, counted down, kept second by second, watched again, cut at both ends.
import * as takes from "./lib/takes.js";

const box = document.querySelector("[data-recorder]"), { words, campaign } = box.dataset, w = JSON.parse(words), limit = +box.dataset.seconds;
// What is taken of a film; one may be three times as long as long as its ends are cut off (portal/edits.py).
const most = +box.dataset.maxSeconds, heaviest = +box.dataset.maxBytes, CUTTABLE = 3;
const part = name => box.querySelector(`[data-part=${name}]`), screens = box.querySelectorAll("[data-screen]");
const live = part("live"), shown = part("shown"), from = part("from"), to = part("to"), main = part("main"), pause = part("pause");
const TYPES = ["video/mp4;codecs=avc1.42E01F,mp4a.40.2", "video/mp4", "video/webm;codecs=vp9,opus", "video/webm"], ROOM = 2e8, LEAST = 1;
// MP4 comes out in pieces that begin with a whole picture: without more of these, one would come every few seconds only.
const KEY = 800;
const agent = navigator.userAgent, isApple = /iPhone|iPad|iPod/.test(agent) || /Macintosh/.test(agent) && navigator.maxTouchPoints > 1;
const type = globalThis.MediaRecorder && TYPES.find(one => MediaRecorder.isTypeSupported(one));
const clock = s => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const tenth = s => { const tens = Math.round(s * 10); return clock(tens / 10) + (tens % 10 ? (tens % 10 / 10).toLocaleString(document.documentElement.lang).slice(1) : ""); };
const fill = (text, length, limit) => text.replace("{length}", length).replace("{limit}", limit);
const wait = ms => new Promise(done => setTimeout(done, ms));

let mode = "intro", turn = 0, cameras = [], stream, recorder, stopped, take, rows, reached, writing, isFull, past, since, told, ticker, lock, ear, loud, asked;
const seconds = () => (past + (since && performance.now() - since)) / 1000;
const say = text => { part("said").textContent = text; };
const free = async () => { const room = await navigator.storage?.estimate?.().catch(() => 0); return room ? room.quota - room.usage : Infinity; };

function show(screen, now = screen) {
  for (const one of screens) one.hidden = one.dataset.screen !== screen;
  box.dataset.mode = mode = now;
  part("top").hidden = screen !== "live";
  part("count").textContent = "";
}

function trouble(kind) {
  close();
  show("trouble");
  for (const one of box.querySelectorAll("[data-trouble]")) one.hidden = !one.dataset.trouble.split(" ").includes(kind);
  box.querySelector("[data-trouble]:not([hidden]) h2").focus();
}

// The camera -------------------------------------------------------------------------------------------

async function open(want = { facingMode: "user" }) {
  if (!type || !navigator.mediaDevices) return trouble("unsupported");
  if (await free() < ROOM) return trouble("full");
  close();
  mode = "opening";
  const mine = turn;
  let fresh;
  try {
    fresh = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, ...want } });
  } catch (fault) {
    if (mine !== turn) return;
    return trouble({ NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy", AbortError: "busy" }[fault.name] ?? "refused");
  }
  // Asked twice, or something else was chosen while the browser asked: this camera is nobody's.
  if (mine !== turn) { fresh.getTracks().forEach(track => track.stop()); return; }
  stream = fresh;
  const [picture] = stream.getVideoTracks();
  for (const track of stream.getTracks()) {
    track.onended = broken;
    // A call takes the microphone or the camera for a while, and gives it back.
    track.onmute = () => { if (mode === "recording") hold(w.interrupted, w.here); };
  }
  live.srcObject = stream;
  live.classList.toggle("mirror", picture.getSettings().facingMode !== "environment");
  listen();
  stayAwake();
  past = since = 0;
  show("live", "ready");
  draw();
  main.focus();
  cameras = (await navigator.mediaDevices.enumerateDevices()).filter(one => one.kind === "videoinput");
  draw();
  part("switch").onclick = () => {
    const { facingMode, deviceId } = picture.getSettings();
    const next = cameras[(cameras.findIndex(one => one.deviceId === deviceId) + 1) % cameras.length];
    open(facingMode ? { facingMode: facingMode === "user" ? "environment" : "user" } : { deviceId: { exact: next.deviceId } });
  };
}

function close() {
  turn++;
  clearInterval(ticker);
  for (const track of stream?.getTracks() ?? []) { track.onended = track.onmute = null; track.stop(); }
  ear?.close();
  rest();
  stream = ear = live.srcObject = null;
}

// The browser lets go of it whenever the page is hidden.
function stayAwake() {
  if (!stream || document.hidden) return;
  rest();
  lock = navigator.wakeLock?.request("screen").catch(() => null);
}
function rest() { lock?.then(one => one?.release()); lock = null; }
document.addEventListener("visibilitychange", stayAwake);

// How loud it is, in words: the loudest of the last seconds counts, since people breathe.
function listen() {
  const hears = (ear = new AudioContext()).createAnalyser(), wave = new Float32Array(hears.fftSize);
  ear.createMediaStreamSource(stream).connect(hears);
  loud = .01;
  clearInterval(ticker);
  ticker = setInterval(() => {
    hears.getFloatTimeDomainData(wave);
    loud = Math.max(loud * .93, Math.sqrt(wave.reduce((sum, one) => sum + one * one, 0) / wave.length));
    part("heard").textContent = loud > .012 ? w.heard : loud > .0015 ? w.faint : w.silent;
    if (mode === "recording") tick();
  }, 200);
}

// The take ---------------------------------------------------------------------------------------------

function draw() {
  const isOn = mode === "recording" || mode === "paused";
  part("clock").textContent = clock(seconds());
  main.setAttribute("aria-label", mode === "counting" ? w.cancel : isOn ? w.stop : w.record);
  pause.hidden = !isOn;
  pause.textContent = mode === "paused" ? w.resume : w.pause;
  part("switch").hidden = mode !== "ready" || cameras.length < 2;
  part("restart").hidden = !isOn;
}

function tick() {
  const left = limit - seconds(), near = left <= 3 ? Math.ceil(left) : 0;
  draw();
  part("count").textContent = near > 0 ? near : "";
  for (const mark of [30, 10]) if (left <= mark && told > mark) { told = mark; if (mark < limit) say(fill(w.left, mark)); }
  if (left <= 0) finish(w.limit);
}

async function begin() {
  show("live", "counting");
  draw();
  say(w.soon);
  for (const n of [3, 2, 1]) {
    part("count").textContent = n;
    await wait(1000);
    if (mode !== "counting") return;
  }
  const begun = Date.now(), kind = type.split(";")[0];
  take = { id: crypto.randomUUID?.() ?? `${begun}`, campaign, type: kind, name: `film.${kind.slice(6)}`, begun };
  try { await takes.keep(take); } catch { return trouble("full"); }
  rows = reached = 0; writing = Promise.resolve(); told = 1e9; past = 0; isFull = false;
  recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 2.5e6, audioBitsPerSecond: 128e3, videoKeyFrameIntervalDuration: KEY });
  recorder.ondataavailable = ({ data }) => {
    if (!data.size) return;
    // A piece reaches at least to where the one before it came out; the first may be no more than a header.
    const n = rows++, id = take.id, at = reached;
    reached = seconds();
    // What comes after a piece that was lost is worth nothing. Nobody waits here for the end: the end waits for this.
    writing = writing.then(async () => isFull || takes.add(id, n, await data.arrayBuffer(), at)).catch(() => { isFull = true; finish(w.full); });
  };
  recorder.onerror = broken;
  stopped = new Promise(done => { recorder.onstop = done; });
  recorder.start(1000);
  since = performance.now();
  show("live", "recording");
  draw();
  say(w.started);
}

function hold(text = w.paused, again) {
  past = seconds() * 1000; since = 0;
  recorder.pause();
  show("live", "paused");
  draw();
  if (again) pause.textContent = again;
  say(text);
}

function go() {
  if (stream.getTracks().some(track => track.muted)) return say(w.interrupted);
  recorder.resume();
  stayAwake();
  since = performance.now();
  show("live", "recording");
  draw();
  say(w.resumed);
}

async function ended() {
  if (recorder.state !== "inactive") recorder.stop();
  await stopped;
  await writing;
}

const broken = () => recorder?.state !== "inactive" && ["recording", "paused"].includes(mode) ? finish(w.interrupted) : trouble("busy");

async function finish(text = w.ended) {
  if (mode === "ending") return;
  const length = seconds();
  mode = "ending";
  await ended();
  close();
  take.seconds = length;
  await takes.keep(take).catch(() => 0);
  await review(take, text);
}

// Watching it ------------------------------------------------------------------------------------------

async function review(one, text) {
  take = one;
  const film = await takes.film(one).catch(() => null);
  if (!film?.size) { await takes.drop(one.id).catch(() => 0); return trouble(text === w.full ? "full" : "empty"); }
  if (shown.src) URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(film);
  show("review");
  part("told").textContent = text;
  say(text);
  part("keep").focus();
  const length = await measured();
  if (length === 0 && !one.whole) { await takes.drop(one.id).catch(() => 0); return trouble("empty"); }
  part("trim").hidden = !(length > LEAST);
  take.seconds = length || take.seconds;
  from.max = to.max = to.value = take.seconds?.toFixed(1); from.value = 0;
  trimmed();
  limits(film.size, length);
  await others().catch(() => 0);
}

// One take waits at a time; the one before it goes when the new one has been seen to hold something.
async function others() { for (const old of await takes.waiting(campaign)) if (old.id !== take.id) await takes.drop(old.id); }

// What the next page would not take is said here, where its ends can still be cut.
function limits(bytes, length) {
  const isLong = length > most + 1, cannot = bytes > heaviest ? w.too_large : isLong && length > CUTTABLE * most ? w.too_long : "";
  part("keep").hidden = Boolean(cannot);
  if (!cannot && !isLong) return;
  part("trim").hidden = Boolean(cannot);
  part("trim").open = !cannot;
  part("told").textContent = fill(cannot || w.cut_here, clock(length), clock(most));
  say(part("told").textContent);
  if (cannot) part("again").focus();
}

// A recording seldom says how long it is: asked for its far end, the browser finds out.
const measured = () => new Promise(done => {
  const timer = setTimeout(done, 8000, NaN), end = () => { clearTimeout(timer); shown.ontimeupdate = ends; shown.currentTime = 0; done(shown.duration); };
  shown.onerror = () => done(0);
  shown.onloadedmetadata = () => {
    if (Number.isFinite(shown.duration)) return end();
    shown.ontimeupdate = () => { if (Number.isFinite(shown.duration)) end(); };
    shown.currentTime = 1e7;
  };
});

const ends = () => { if (!shown.paused && shown.currentTime >= +to.value) { shown.pause(); shown.currentTime = +from.value; } };
shown.onplay = () => { if (shown.currentTime < +from.value || shown.currentTime >= +to.value - .1) shown.currentTime = +from.value; };

function trimmed(moved) {
  if (to.value - from.value < LEAST) { if (moved === from) from.value = to.value - LEAST; else if (moved) to.value = +from.value + LEAST; }
  if (to.value - from.value > most) { if (moved === to) from.value = to.value - most; else if (to.value - from.value > most + 1 || moved) to.value = +from.value + most; }
  for (const one of [from, to]) { one.ariaValueText = tenth(+one.value); one.previousElementSibling.lastElementChild.textContent = tenth(+one.value); }
  part("rest").textContent = fill(w.rest, tenth(to.value - from.value));
  if (moved) { shown.pause(); shown.currentTime = +moved.value; }
}
for (const one of [from, to]) one.addEventListener("input", () => trimmed(one));

part("keep").onclick = async () => {
  take.edits = {};
  if (!part("trim").hidden && +from.value > 0) take.edits.start = +from.value;
  if (!part("trim").hidden && +to.value < +to.max) take.edits.end = +to.value;
  mode = "kept";
  try {
    await others();
    // A full device may still hold what was filmed; only what was cut off would be lost.
    await takes.keep(take).catch(fault => { if (Object.keys(take.edits).length) throw fault; });
    localStorage.setItem(`vecu:take:${campaign}`, take.id);
  } catch { return heavy(shown.src, take.name); }
  location.assign(box.dataset.next);
};
part("again").onclick = () => { shown.pause(); open(); };

// It cannot wait here: it is saved on the device, and chosen on the next page.
function heavy(address, name) {
  part("save").href = address;
  part("save").download = name;
  trouble("heavy");
}

// A film of the phone's own camera comes the same way, so that its ends can be cut, too.
for (const input of box.querySelectorAll("input[type=file]")) input.addEventListener("change", async () => {
  const [file] = input.files;
  if (!file) return;
  take = { id: `${Date.now()}`, campaign, type: file.type.split(";")[0], name: file.name, begun: Date.now(), whole: true };
  try {
    if (await free() < file.size + ROOM) throw 0;
    await takes.keep(take);
    await takes.add(take.id, 0, file, 0);
    close();
    await review(take, w.arrived);
  } catch { heavy(URL.createObjectURL(file), file.name); }
  input.value = "";
});

// Hands ------------------------------------------------------------------------------------------------

for (const one of box.querySelectorAll("[data-open]")) one.addEventListener("click", () => open());
main.onclick = () => {
  if (mode === "ready") begin();
  else if (mode === "counting") { show("live", "ready"); draw(); say(w.cancelled); }
  else if (mode === "recording" || mode === "paused") finish();
};
part("restart").onclick = async () => {
  mode = "ending";
  await ended();
  await takes.drop(take.id).catch(() => 0);
  // The camera may have gone meanwhile.
  if (mode !== "ending") return;
  past = since = 0;
  main.focus();
  begin();
};
pause.onclick = () => mode === "paused" ? go() : hold();

addEventListener("keydown", e => {
  if (e.target.closest("dialog") || e.repeat) return;
  if (e.key === " " && !e.target.closest("button, a, input, label, summary, video") && screens[1].hidden === false) { e.preventDefault(); main.click(); }
  if (e.key === "Escape" && !["intro", "opening", "trouble", "ending", "kept"].includes(mode)) {
    e.preventDefault();
    asked = mode === "recording";
    if (asked) hold();
    if (mode === "counting") main.click();
    part("leave").showModal();
  }
});
part("leave").addEventListener("close", async () => {
  if (part("leave").returnValue !== "leave") { if (asked) go(); return; }
  if (mode === "paused") await ended();
  mode = "kept";
  location.assign(box.dataset.leave);
});
addEventListener("beforeunload", e => { if (mode === "recording" || mode === "paused") e.preventDefault(); });

// At the beginning -------------------------------------------------------------------------------------

const browser = isApple ? "ios" : /Firefox/.test(agent) ? "firefox" : /Chrome|CriOS|Edg/.test(agent) ? /Android/.test(agent) ? "android" : "chrome" : "safari";
for (const one of box.querySelectorAll("[data-browser]")) one.hidden = one.dataset.browser !== browser;
if (isApple) { part("acts").prepend(part("phone")); part("phone").classList.add("main"); part("film").classList.remove("main"); }
box.hidden = false;
show("intro");
if (!type || !navigator.mediaDevices) trouble("unsupported");
async function offer() {
  const [last] = await takes.waiting(campaign), length = last && (last.seconds ?? await takes.length(last.id));
  part("waiting").hidden = !last;
  if (!last) return;
  if (!length) { await takes.drop(last.id); return offer(); }
  part("waits").textContent = fill(w.waiting, clock(length));
  part("see").onclick = () => review(last, part("waits").textContent);
  part("forget").onclick = async () => { await takes.drop(last.id); part("film").focus(); offer(); };
  // The next page found it too long.
  if (location.hash === "#cut") { history.replaceState(null, "", location.pathname); await review(last, ""); }
}
offer().catch(() => trouble("full"));
