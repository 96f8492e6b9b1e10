// What pages pay for the package: bundled, minified and compressed as a page would have it. `node scripts/size.mjs` prints it;
// a test holds it to the limits.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Pages by what they import, and how many bytes that may come to. */
export const pages = [
  { name: 'the core, without stores', imports: 'createClient', from: 'core', most: 10 * 1024 },
  { name: 'quotes', imports: 'createClient, quotes, formatPrice', from: 'core', most: 16.25 * 1024 },
  { name: 'quotes and trades', imports: 'createClient, quotes, trades, formatPrice, formatSize', from: 'core', most: 18.25 * 1024 },
  { name: 'every channel', imports: 'createClient, formatPrice, formatSize, formatChangePercent', from: 'index', most: 22.5 * 1024 },
  { name: 'the fallbacks', imports: 'fallback', from: 'fallback/index', most: 4.25 * 1024 },
  { name: 'WebTransport by itself', imports: 'webtransport', from: 'webtransport/index', most: 4 * 1024 },
  { name: 'a formatter alone', imports: 'formatPrice', from: 'index', most: 1024 },
];

/** Bytes of a bundle of `source`, minified: as they are, and compressed. */
export async function measure(source) {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const { contents } = outputFiles[0];
  return { plain: contents.length, gzip: gzipSync(contents, { level: 9 }).length };
}

/** A page's bundle, from the sources (`src`, `.ts`) or from what is published (`dist`, `.js`). */
export const page = ({ imports, from }, dir = 'src', ext = '.ts') => measure(`export { ${imports} } from './${dir}/${from}${ext}';`);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir, ext] = process.argv[2] === 'dist' ? ['dist', '.js'] : ['src', '.ts'];
  for (const p of pages) {
    const { plain, gzip } = await page(p, dir, ext);
    console.log(`${p.name.padEnd(26)} ${String(gzip).padStart(6)} bytes gzip of ${String(Math.floor(p.most)).padStart(6)}, ${plain} plain`);
    if (gzip > p.most) process.exitCode = 1;
  }
}
