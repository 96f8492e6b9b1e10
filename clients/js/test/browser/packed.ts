/** The package as npm would hand it out, unpacked where an application has it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Packed {
  /** Holds node_modules/@feedd/client. */
  readonly dir: string;
  clean(): Promise<void>;
}

export async function pack(): Promise<Packed> {
  const dir = await mkdtemp(join(tmpdir(), 'feedd-packed-'));
  await run(process.execPath, ['scripts/build.mjs'], { cwd: root });
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], { cwd: root });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const home = join(dir, 'node_modules/@feedd/client');
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', join(dir, filename), '-C', home, '--strip-components=1']);
  return { dir, clean: () => rm(dir, { recursive: true }) };
}

const types: Record<string, string> = { '.js': 'text/javascript', '.html': 'text/html; charset=utf-8', '.map': 'application/json' };

/** Serves files below a directory, and one page at /, as strictly as a careful site would. */
export async function site(dir: string, page: () => string): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://site').pathname);
    const policy = "default-src 'self'; connect-src 'self' ws://127.0.0.1:* https://127.0.0.1:*; script-src 'self' 'unsafe-inline'";
    void (path === '/' ? Promise.resolve(page()) : readFile(join(dir, path))).then(
      (body) => response.writeHead(200, { 'content-type': types[path === '/' ? '.html' : extname(path)] ?? 'text/plain', 'content-security-policy': policy }).end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}
