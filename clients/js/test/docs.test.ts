/** What is written about the package is there. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import * as everything from '../src/index.js';
import * as core from '../src/core.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = ['README.md', 'llms.txt', ...readdirSync(`${root}/docs`).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
const text = (page: string) => readFileSync(resolve(root, page), 'utf8');

it.each(pages)('every link of %s leads somewhere', (page) => {
  const links = [...text(page).matchAll(/\]\(([^)#]+?)(#[^)]*)?\)/g)].map(([, link]) => link!).filter((link) => !/^https?:/.test(link));
  expect(links.filter((link) => !existsSync(resolve(root, dirname(page), link)))).toEqual([]);
});

it('every page is found from the first, and by machines', () => {
  for (const page of pages.filter((p) => p.startsWith('docs/'))) {
    expect(text('README.md'), page).toContain(`](${page})`);
    expect(text('llms.txt'), page).toContain(`](${page})`);
  }
});

it('what examples import exists', () => {
  const names = { '@feedd/client': everything, '@feedd/client/core': core };
  for (const page of pages) {
    for (const [, list, from] of text(page).matchAll(/import \{ ([^}]+) \} from '(@feedd\/client(?:\/core)?)'/g))
      for (const name of list!.split(', ')) expect(names[from as keyof typeof names], `${page}: ${name}`).toHaveProperty(name);
  }
});

it('every error that the client finds by itself is explained', () => {
  const source = readFileSync(`${root}/src/errors.ts`, 'utf8');
  const codes = [...source.slice(source.indexOf('export type LocalErrorCode'), source.indexOf('export type FeedErrorCode')).matchAll(/\| '([a-z-]+)'/g)].map(([, code]) => code!);
  expect(codes.length).toBeGreaterThan(10);
  for (const code of codes) expect(text('docs/errors.md')).toContain(`| \`${code}\` |`);
});
