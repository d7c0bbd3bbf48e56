// Cuts Archivo to the weights and widths that the pages use: 90 kB become 51, and nothing that is shown changes.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import subset from "subset-font";

const FROM = "node_modules/@fontsource-variable/archivo/files/";
const TO = "node_modules/.vecu-fonts/";
const AXES = { wght: { min: 400, max: 700 }, wdth: { min: 100, max: 125 } };
// The same ranges as in static/src/css/fonts.css, plus what no range needs to name.
const CUTS = {
  "latin": [[0x20, 0xff], [0x131], [0x152, 0x153], [0x2bb, 0x2bc], [0x2c6], [0x2da], [0x2dc], [0x304], [0x308], [0x329], [0x2000, 0x206f], [0x20ac], [0x2122], [0x2191], [0x2193], [0x2212], [0x2215], [0xfffd]],
  "latin-ext": [[0x100, 0x2ff], [0x305, 0x328], [0x1d00, 0x1eff], [0x20a0, 0x20c0], [0x2113], [0x2c60, 0x2c7f], [0xa720, 0xa7ff]],
};

await mkdir(TO, { recursive: true });
for (const [script, ranges] of Object.entries(CUTS)) {
  const letters = ranges.flatMap(([from, to = from]) => Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)));
  const whole = await readFile(`${FROM}archivo-${script}-wdth-normal.woff2`);
  await writeFile(`${TO}archivo-${script}.woff2`, await subset(whole, letters.join(""), { targetFormat: "woff2", variationAxes: AXES }));
}
