// Cuts the page's font down to the glyphs its dictionaries use, so that Hangul shows on a machine without a Korean font.
// Reads Noto Sans KR (SIL Open Font License 1.1) from the pinned npm package; writes public/fonts/, which Vite copies.
import { mkdir, readFile, writeFile, rm, copyFile } from "node:fs/promises";
import subsetFont from "subset-font";

const root = new URL("../", import.meta.url);
const source = new URL("node_modules/@fontsource/noto-sans-kr/", root);
const target = new URL("public/fonts/", root);
const weights = [400, 600];

const words = await Promise.all(["ko", "en"].map((l) => readFile(new URL(`src/words/${l}.json`, root), "utf8")));
const used = new Set(words.join("") + "JavaScript");
for (let code = 0x20; code < 0x7f; code++) used.add(String.fromCharCode(code));
const codes = [...used].map((c) => c.codePointAt(0)).filter((c) => c >= 0x20).sort((a, b) => a - b);

const isHangul = (c) => c >= 0x1100;
const sets = {
  korean: codes.filter(isHangul),
  latin: codes.filter((c) => !isHangul(c)),
};

function unicodeRange(list) {
  const ranges = [];
  for (const code of list) {
    const last = ranges.at(-1);
    if (last && last[1] === code - 1) last[1] = code;
    else ranges.push([code, code]);
  }
  const hex = (c) => c.toString(16).toUpperCase();
  return ranges.map(([a, b]) => (a === b ? `U+${hex(a)}` : `U+${hex(a)}-${hex(b)}`)).join(",");
}

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
let css = "/* Noto Sans KR, cut down; SIL Open Font License 1.1, see OFL.txt. */\n";
for (const [name, list] of Object.entries(sets)) {
  for (const weight of weights) {
    const whole = await readFile(new URL(`files/noto-sans-kr-${name}-${weight}-normal.woff2`, source));
    const file = `cell-sans-${name}-${weight}.woff2`;
    await writeFile(
      new URL(file, target),
      await subsetFont(whole, String.fromCodePoint(...list), { targetFormat: "woff2" }),
    );
    css +=
      `@font-face{font-family:"Cell Sans";font-style:normal;font-weight:${weight};font-display:swap;` +
      `src:url("${file}") format("woff2");unicode-range:${unicodeRange(list)}}\n`;
  }
}
await writeFile(new URL("fonts.css", target), css);
await copyFile(new URL("LICENSE", source), new URL("OFL.txt", target));
await writeFile(
  new URL("../icon.svg", target),
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3b434b"/>' +
    '<path d="M8 10h16v3H8zM8 20h16v3H8z" fill="#8d98a3"/><rect x="11" y="12" width="10" height="9" rx="1.5" fill="#fff"/></svg>\n',
);
