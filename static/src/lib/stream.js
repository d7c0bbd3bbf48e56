// HLS for browsers with media sources: loaded on the first play of a player that has data-hls, never before.
import Hls from "hls.js/light";

export function stream(video, url, failed) {
  if (!Hls.isSupported()) return undefined;
  const hls = new Hls({ capLevelToPlayerSize: true });
  hls.on(Hls.Events.ERROR, (_, told) => { if (told.fatal) failed(); });
  hls.loadSource(url);
  hls.attachMedia(video);
  return hls;
}
