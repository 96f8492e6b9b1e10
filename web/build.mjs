// Builds dist/, which is committed so that `go build` needs no Node. `--check` builds into memory and
// fails when dist/ is not what the sources give.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Assets by file name. `alias` puts another module in the place of one, for tests. */
export async function assets({ alias = {} } = {}) {
  const bundled = await build({
    absWorkingDir: root,
    entryPoints: { app: "src/main.ts", boot: "src/boot.ts", style: "src/style.css" },
    outdir: "dist",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "eof",
    write: false,
    alias,
    logLevel: "warning",
  });
  const out = new Map();
  for (const file of bundled.outputFiles) out.set(file.path.slice(join(root, "dist").length + 1), file.contents);
  for (const name of ["index.html", "favicon.svg"]) out.set(name, await readFile(join(root, "src", name)));
  return out;
}

async function check(fresh) {
  const present = new Set(await readdir(join(root, "dist")).catch(() => []));
  const stale = [];
  for (const [name, bytes] of fresh) {
    const old = present.delete(name) ? await readFile(join(root, "dist", name)) : undefined;
    if (!old?.equals(bytes)) stale.push(name);
  }
  stale.push(...[...present].map((name) => `${name} (not made by the build)`));
  if (stale.length === 0) return;
  console.error(`web/dist is stale: ${stale.join(", ")}. Run "npm run build -w web" and commit the result.`);
  process.exitCode = 1;
}

async function write(fresh) {
  await rm(join(root, "dist"), { recursive: true, force: true });
  await mkdir(join(root, "dist"));
  for (const [name, bytes] of fresh) await writeFile(join(root, "dist", name), bytes);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fresh = await assets();
  await (process.argv.includes("--check") ? check(fresh) : write(fresh));
}
