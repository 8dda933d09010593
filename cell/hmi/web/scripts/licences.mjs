// Writes public/licences.txt: the licences of what is bundled into the page, as those licences ask for.
import { mkdir, readFile, writeFile } from "node:fs/promises";

const root = new URL("../", import.meta.url);
let text = "Bundled into this page. The font's licence is in fonts/OFL.txt.\n";
for (const name of ["preact", "uplot"]) {
  const { version } = JSON.parse(await readFile(new URL(`node_modules/${name}/package.json`, root), "utf8"));
  const licence = await readFile(new URL(`node_modules/${name}/LICENSE`, root), "utf8");
  text += `\n${name} ${version}\n${"-".repeat(name.length + version.length + 1)}\n\n${licence.trim()}\n`;
}
await mkdir(new URL("public/", root), { recursive: true });
await writeFile(new URL("public/licences.txt", root), text);
