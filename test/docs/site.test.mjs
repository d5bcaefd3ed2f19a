/** The documentation site: it is built once, its links lead somewhere, and Chromium shows it without complaint. */
import { spawnSync } from 'node:child_process';
import {
  existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const browserPath = process.env.PERCORE_CHROMIUM ?? '/usr/bin/chromium';
const folder = mkdtempSync(join(tmpdir(), 'percore-site-'));
const site = join(folder, 'site');
let built;

beforeAll(() => {
  built = spawnSync(process.execPath, ['scripts/docs/main.mjs', site], { cwd: root, encoding: 'utf8' });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = (under) => readdirSync(under, { recursive: true }).filter((name) => name.endsWith('.html'))
  .map((name) => join(under, name));

describe('the documentation site', () => {
  it('is built without a warning', () => {
    expect([built.status, built.stdout.match(/warning|error/g)], built.stdout + built.stderr).toEqual([0, null]);
  });

  it('has every page of the guide, and every entry', () => {
    const guide = join(root, 'docs', 'guide');
    const pages = readdirSync(guide, { recursive: true }).filter((name) => name.endsWith('.md'));
    expect(pages.length).toBeGreaterThan(24);
    const titles = files(site)
      .map((file) => /<title>(.*?) \| Percore<\/title>/.exec(readFileSync(file, 'utf8'))?.[1]);
    const missing = pages.filter((name) => {
      const [, title] = /^# (.*)$/m.exec(readFileSync(join(guide, name), 'utf8'));
      return !titles.includes(title);
    });
    expect(missing).toEqual([]);
    for (const entry of ['queues', 'timers', 'io', 'realtime', 'testing']) expect(titles).toContain(`percore/${entry}`);
  });

  it('has no link that leads nowhere', () => {
    const texts = new Map(files(site).map((file) => [file, readFileSync(file, 'utf8')]));
    const broken = new Set();
    for (const [file, text] of texts) {
      for (const [, href] of text.matchAll(/<a [^>]*?href="([^"]+)"/g)) {
        if (/^[a-z]+:/.test(href)) continue;
        const [path, anchor] = href.split('#').map(decodeURIComponent);
        const target = path === '' ? file : join(dirname(file), path);
        const isThere = existsSync(target)
          && (!anchor || !texts.has(target) || texts.get(target).includes(`id="${anchor}"`));
        if (!isThere) broken.add(`${relative(site, file)}: ${href}`);
      }
    }
    expect([...broken]).toEqual([]);
  });

  it.skipIf(!existsSync(browserPath) && process.env.CI === undefined)('fits a phone and a desktop', async () => {
    const browser = await chromium.launch({
      executablePath: browserPath,
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--allow-file-access-from-files'],
    });
    const wrong = [];
    try {
      for (const [width, height, colorScheme] of [[390, 844, 'light'], [1280, 800, 'dark']]) {
        const tab = await browser.newPage({ viewport: { width, height }, colorScheme });
        tab.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
        tab.on('pageerror', (error) => wrong.push(String(error)));
        for (const name of PAGES) {
          await tab.goto(pathToFileURL(join(site, name)).href);
          const over = await tab.evaluate('document.documentElement.scrollWidth - window.innerWidth');
          if (over > 0) wrong.push(`${name} is ${over} pixels wider than ${width}`);
          if (process.env.PERCORE_SCREENSHOTS) {
            const picture = `${name.replaceAll('/', '-')}-${width}.png`;
            await tab.screenshot({ path: join(process.env.PERCORE_SCREENSHOTS, picture) });
          }
        }
        await tab.locator('#tsd-search-trigger').click();
        await tab.locator('#tsd-search-input').fill('createRuntime');
        await tab.locator('#tsd-search-results a').first().waitFor({ timeout: 20_000 });
        await tab.close();
      }
    } finally {
      await browser.close();
    }
    expect(wrong).toEqual([]);
  }, 120_000);
});

const PAGES = [
  'index.html', 'documents/Guide.html', 'documents/Figures.html', 'documents/Capacity_planning.html',
  'documents/Errors__result_codes,_error_codes,_events.html', 'documents/Migrating_from_piscina.html',
  'modules/percore.html',
];

describe('what one migrates from', () => {
  const pages = readdirSync(join(root, 'docs', 'guide', 'migrating'));
  const programs = pages.flatMap((page) => {
    const text = readFileSync(join(root, 'docs', 'guide', 'migrating', page), 'utf8');
    return [...text.matchAll(/```js\n([^]*?)```\n\n```text\n([^]*?)```/g)]
      .map(([, code, output]) => [page, code, output]);
  });
  it('has programs that run', () => expect(programs.length).toBeGreaterThan(1));
  it.each(programs)('prints what the page says: %s', (page, code, output) => {
    const at = join(folder, page);
    mkdirSync(at);
    symlinkSync(join(root, 'node_modules'), join(at, 'node_modules'));
    writeFileSync(join(at, 'before.mjs'), code);
    const { stdout, stderr } = spawnSync(
      process.execPath, [join(at, 'before.mjs')], { encoding: 'utf8', timeout: 30_000 });
    expect([stdout, stderr]).toEqual([output, '']);
  });
});
