// Writes static/build.json: the SHA-256 of the sources and of every built file. A test without Node compares both, so
// that the committed build cannot drift from the source. tests/unit/hmi computes the same sums.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("../", import.meta.url));
const built = fileURLToPath(new URL("../../static/", import.meta.url));
const apart = new Set(["node_modules", "public", ".gitignore"]);

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

async function sums(folder, skip) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((name) => !skip.has(name.split("/")[0]))
    .sort((a, b) => (a < b ? -1 : 1));
  const result = {};
  for (const name of names) result[name] = sha256(await readFile(join(folder, name)));
  return result;
}

const sources = await sums(web, apart);
const text = Object.entries(sources).map(([name, sum]) => `${sum}  ${name}\n`).join("");
const record = { sources: sha256(text), files: await sums(built, new Set(["build.json"])) };
await writeFile(join(built, "build.json"), JSON.stringify(record, null, 2) + "\n");
