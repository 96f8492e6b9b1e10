// What reading a frame costs, beside the official decoder, pbf, and JSON. Each reader runs in a process of its own, so that none
// spoils the engine's guesses for another; the order changes from round to round, and the middle of the rounds counts.
//
//   npm run bench -- [--rounds 5] [--chromium PATH] [--write]
//
// --chromium measures in that browser as well (one page for each reader), --write keeps the figures in results/decode.json.
import { fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const readers = ['feedd', 'protobuf-es', 'pbf', 'json'];
const frames = ['whole', 'differences'];
const { values: args } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, chromium: { type: 'string' }, write: { type: 'boolean', default: false } } });

/** The measurement of one reader as a script that leaves its figures in globalThis.figures. */
async function script(reader) {
  const { outputFiles } = await build({
    stdin: { contents: `import { measure } from './decode/measure.ts'; import { read } from './decode/${reader}.ts'; globalThis.figures = measure(read);`, resolveDir: here },
    bundle: true, format: 'iife', target: 'es2022', write: false, logLevel: 'error', plugins: [pbfCode],
  });
  return outputFiles[0].text;
}

/** pbf's reader, as its compiler makes it of the schema. */
const pbfCode = {
  name: 'pbf',
  setup(build) {
    build.onResolve({ filter: /^pbf:/ }, ({ path }) => ({ path, namespace: 'pbf' }));
    build.onLoad({ filter: /.*/, namespace: 'pbf' }, async () => {
      const { compileRaw } = await import('pbf/compile');
      const { default: schema } = await import('resolve-protobuf-schema');
      return { contents: compileRaw(schema.sync(fileURLToPath(new URL('../../../proto/feed/v1/feed.proto', import.meta.url))), { noWrite: true }), resolveDir: here };
    });
  },
};

const inNode = (code) =>
  new Promise((resolve, reject) => {
    const child = fork(new URL('decode/child.mjs', import.meta.url), { serialization: 'advanced' });
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (status) => status !== 0 && reject(new Error(`a measurement ended with ${status}`)));
    child.send(code);
  });

async function inChromium(browser, code) {
  const page = await browser.newPage();
  try {
    await page.addScriptTag({ content: code });
    return await page.evaluate(() => globalThis.figures);
  } finally {
    await page.close();
  }
}

const middle = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** Nanoseconds a row for each reader and kind of frame, and how that compares to ours. */
async function rounds(name, run) {
  const code = new Map(await Promise.all(readers.map(async (r) => [r, await script(r)])));
  const seen = new Map(readers.map((r) => [r, []]));
  for (let round = 0; round < Number(args.rounds); round++) {
    for (let i = 0; i < readers.length; i++) {
      const reader = readers[(i + round) % readers.length];
      seen.get(reader).push(await run(code.get(reader)));
    }
  }
  const result = {};
  for (const frame of frames) {
    const ours = middle(seen.get('feedd').map((f) => f[frame].nsPerRow));
    console.log(`\n${name}, ${frame === 'whole' ? '50 whole quotes' : '50 differences of quotes'}`);
    for (const reader of readers) {
      const ns = seen.get(reader).map((f) => f[frame].nsPerRow);
      const row = { bytes: seen.get(reader)[0][frame].bytes, nsPerRow: Math.round(middle(ns)), from: Math.round(Math.min(...ns)), to: Math.round(Math.max(...ns)), ratio: Number((middle(ns) / ours).toFixed(2)) };
      (result[frame] ??= {})[reader] = row;
      console.log(`  ${reader.padEnd(12)} ${String(row.bytes).padStart(6)} bytes  ${String(row.nsPerRow).padStart(5)} ns a row (${row.from} to ${row.to})  × ${row.ratio.toFixed(2)}`);
    }
  }
  return result;
}

const results = { machine: `${cpus().length} × ${cpus()[0].model}`, rounds: Number(args.rounds), node: { version: process.version, ...(await rounds(`Node ${process.version}`, inNode)) } };
if (args.chromium !== undefined) {
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: args.chromium, headless: true, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    results.chromium = { version: browser.version(), ...(await rounds(`Chromium ${browser.version()}`, (code) => inChromium(browser, code))) };
  } finally {
    await browser.close();
  }
}
if (args.write) await writeFile(new URL('results/decode.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
