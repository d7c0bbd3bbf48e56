// Takes of the recorder in this browser's own store, row by row as they are filmed: a reload or a crash costs the last
// one or two seconds.
// Nothing here leaves the device; what nobody kept is forgotten after a week.
const KEPT = 7 * 864e5;
let opened;

const base = () => opened ??= new Promise((done, fail) => {
  const ask = indexedDB.open("vecu-takes", 1);
  ask.onupgradeneeded = () => {
    ask.result.createObjectStore("takes", { keyPath: "id" });
    ask.result.createObjectStore("rows", { keyPath: ["take", "n"] });
  };
  ask.onsuccess = () => done(ask.result);
  ask.onerror = () => fail(ask.error);
});

async function within(mode, work) {
  const store = (await base()).transaction(["takes", "rows"], mode);
  return new Promise((done, fail) => {
    const ask = work(store.objectStore("takes"), store.objectStore("rows"));
    store.oncomplete = () => done(ask?.result);
    store.onabort = store.onerror = () => fail(store.error);
  });
}

const of = id => IDBKeyRange.bound([id], [id, []]);

// A take: id, campaign, type, name, begun (ms), seconds (once it ended), edits, whole (a file that came as one).
export const keep = take => within("readwrite", takes => { takes.put(take); });
export const add = (take, n, data, at) => within("readwrite", (_, rows) => { rows.put({ take, n, data, at }); });
export const find = id => within("readonly", takes => takes.get(id));
export const length = async id => (await within("readonly", (_, rows) => rows.openCursor(of(id), "prev")))?.value.at;
export const drop = id => within("readwrite", (takes, rows) => { takes.delete(id); rows.delete(of(id)); });

// The takes of one call, the newest first.
export async function waiting(campaign) {
  const every = await within("readonly", takes => takes.getAll());
  for (const old of every) if (old.begun < Date.now() - KEPT) await drop(old.id);
  return every.filter(take => take.campaign === campaign && take.begun >= Date.now() - KEPT).sort((a, b) => b.begun - a.begun);
}

// The same bytes each time, so that an upload which was cut off finds itself again; a film that came as one keeps its date.
export async function film(take) {
  const rows = await within("readonly", (_, rows) => rows.getAll(of(take.id)));
  return new File(rows.map(row => row.data), take.name, { type: take.type, lastModified: rows[0]?.data.lastModified ?? take.begun });
}
