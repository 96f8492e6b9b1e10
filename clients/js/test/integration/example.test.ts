/** The example for a terminal, as a person would run it. */
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RealServer } from './server.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let server: RealServer;

beforeAll(async () => {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root }); // it imports the package by its name
  server = await RealServer.start();
});
afterAll(() => server.clean());

it('shows prices, says what is wrong, and ends when it is told to', async () => {
  const child = spawn(process.execPath, ['examples/node-watch.mjs', server.url, 'sim:BTC-USD', 'sim:NOT-LISTED'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const said: string[] = [];
  child.stderr.on('data', (text) => said.push(String(text)));
  const prices: string[] = [];
  for await (const line of createInterface(child.stdout)) if (prices.push(line) === 3) break;
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  for (const line of prices) expect(line).toMatch(/^sim:BTC-USD +[\d.]+ × \d+\.\d\d +\d+\.\d\d × [\d.]+/);
  expect(said.join('')).toMatch(/live[^]*sim:NOT-LISTED: /);
});
