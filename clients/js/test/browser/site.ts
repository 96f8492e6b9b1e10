/** Pages of the tests' own in a real browser, which CHROMIUM names. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, type Page, chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const root = fileURLToPath(new URL('../..', import.meta.url));

export async function launch(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`no browser at ${CHROMIUM}: install Debian's chromium, or name another in CHROMIUM`);
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** Everything that the package has, as one script that a page without a bundler can load. */
const standalone = async () => {
  const { outputFiles } = await build({ absWorkingDir: root, entryPoints: ['src/index.ts'], bundle: true, minify: true, format: 'esm', target: 'es2022', write: false });
  return outputFiles[0]!.contents;
};

/** The modules of other transports, as another one. */
const transports = async () => {
  const contents = `export { fallback } from './src/fallback/index.ts'; export { webtransport } from './src/webtransport/index.ts';`;
  const { outputFiles } = await build({ absWorkingDir: root, stdin: { contents, resolveDir: root }, bundle: true, minify: true, format: 'esm', target: 'es2022', write: false });
  return outputFiles[0]!.contents;
};

/** A page's script: the package for the tests to play with. */
const PAGE = `import * as feedd from './standalone.js'; import * as transports from './transports.js'; Object.assign(globalThis, { feedd, transports }); document.title = 'ready';`;

/** Serves pages under a policy that allows scripts of this site, connections to `connect`, and nothing else. */
export class Site {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async open(connect: string): Promise<Site> {
    const [script, more] = await Promise.all([standalone(), transports()]);
    const csp = `default-src 'none'; script-src 'self'; connect-src ${connect}`;
    const files: Record<string, () => Promise<[type: string, body: string | Uint8Array]>> = {
      '/': async () => ['text/html', '<!doctype html><meta charset="utf-8"><title>…</title><script type="module" src="page.js"></script>'],
      '/elsewhere': async () => ['text/html', '<!doctype html><meta charset="utf-8"><title>elsewhere</title>'],
      '/page.js': async () => ['text/javascript', PAGE],
      '/standalone.js': async () => ['text/javascript', script],
      '/transports.js': async () => ['text/javascript', more],
      '/dist/standalone.js': async () => ['text/javascript', script],
      '/examples/vanilla.html': async () => ['text/html', await readFile(`${root}/examples/vanilla.html`)],
    };
    const server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url!, 'http://site/');
      const file = files[pathname];
      if (file === undefined) return void response.writeHead(404).end();
      const [type, body] = await file();
      // The example is one file with its script and style inside, as a person would try it.
      const policy = pathname.startsWith('/examples/') ? {} : { 'Content-Security-Policy': csp };
      response.writeHead(200, { 'Content-Type': type, ...policy }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Site(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }

  /** A page in a profile of its own, with the package in `feedd`, and what it complained of. */
  async page(browser: Browser, prepare: (page: Page) => Promise<void> = async () => {}): Promise<{ page: Page; complaints: string[] }> {
    const page = await (await browser.newContext()).newPage();
    const complaints: string[] = [];
    page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await prepare(page);
    await page.goto(this.url);
    await page.waitForFunction(() => document.title === 'ready');
    return { page, complaints };
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
