// Where many begin at once, the browser finds the number behind a hash (ALTCHA's first version); without a digest it waits its minute.
const bytes = text => new TextEncoder().encode(text);
const hex = buffer => [...new Uint8Array(buffer)].map(b => b.toString(16).padStart(2, "0")).join("");
const BATCH = 400;

export async function prove({ challenge: { algorithm, challenge, maxNumber, maxnumber, salt, signature } = {}, ticket = "", retry_after = 60 }) {
  const most = maxNumber ?? maxnumber ?? 0;
  if (globalThis.crypto?.subtle && challenge) {
    for (let from = 0; from <= most; from += BATCH) {
      const found = await Promise.all(Array.from({ length: BATCH }, (_, i) => crypto.subtle.digest(algorithm, bytes(`${salt}${from + i}`))));
      const place = found.findIndex(one => hex(one) === challenge);
      if (place >= 0) return btoa(JSON.stringify({ algorithm, challenge, number: from + place, salt, signature }));
    }
  }
  await new Promise(done => setTimeout(done, retry_after * 1000));
  return ticket;
}
