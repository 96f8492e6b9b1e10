// Builds dist/, which is committed so that `go build` needs no Node. `--check` builds into memory and
// fails when dist/ is not what the sources give.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

const root = fileURLToPath(new URL(".", import.meta.url));

/**
 * Pages by name. Each has a folder dist/NAME of its own, without folders in it, so that a listener serves one page and
 * nothing of another. What pages share lies in ui/ and is built into each.
 */
const pages = {
  dashboard: {
    bundles: { app: "dashboard/main.ts", boot: "ui/boot.ts", style: "dashboard/style.css" },
    copies: { "index.html": "dashboard/index.html", "favicon.svg": "ui/favicon.svg" },
  },
  ops: {
    bundles: { app: "ops/main.ts", boot: "ui/boot.ts", style: "ops/style.css" },
    copies: { "index.html": "ops/index.html", "favicon.svg": "ui/favicon.svg" },
  },
};

/** Files of a page by name. `alias` puts another module in the place of one, for tests. */
export async function assets(page, { alias = {} } = {}) {
  const { bundles, copies } = pages[page];
  const bundled = await build({
    absWorkingDir: root,
    entryPoints: bundles,
    outdir: join("dist", page),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "eof",
    loader: { ".woff2": "file" },
    assetNames: "[name]",
    write: false,
    alias,
    logLevel: "warning",
  });
  const out = new Map();
  for (const file of bundled.outputFiles) out.set(file.path.slice(join(root, "dist", page).length + 1), file.contents);
  for (const [name, from] of Object.entries(copies)) out.set(name, await readFile(join(root, from)));
  return out;
}

/** Files of all pages by their path in dist/. */
async function site() {
  const out = new Map();
  for (const page of Object.keys(pages)) for (const [name, bytes] of await assets(page)) out.set(`${page}/${name}`, bytes);
  return out;
}

async function check(fresh) {
  const there = await readdir(join(root, "dist"), { recursive: true, withFileTypes: true }).catch(() => []);
  const present = new Set(there.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name).slice(join(root, "dist").length + 1)));
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
  for (const [name, bytes] of fresh) {
    await mkdir(join(root, "dist", dirname(name)), { recursive: true });
    await writeFile(join(root, "dist", name), bytes);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fresh = await site();
  await (process.argv.includes("--check") ? check(fresh) : write(fresh));
}
