/** The documentation site: it is built once, its links lead somewhere, and Chromium shows it without complaint. */
import { execFile } from 'node:child_process';
import {
  existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SUITES } from '../../scripts/figures.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const browserPath = process.env.PERCORE_CHROMIUM ?? '/usr/bin/chromium';
const isWithBrowser = existsSync(browserPath) || process.env.CI !== undefined;
const folder = mkdtempSync(join(tmpdir(), 'percore-site-'));
const site = join(folder, 'site');
const screenshots = process.env.PERCORE_SCREENSHOTS;

/** Runs a program to its end: its exit code, or the error that kept it from one, and what it has printed. */
const run = (args, timeout) => new Promise((resolve) => {
  execFile(process.execPath, args, { cwd: root, encoding: 'utf8', timeout }, (error, stdout, stderr) =>
    resolve({ status: error === null ? 0 : (error.code ?? error.signal), stdout, stderr }));
});

// The site is built, and the browser starts, while the programs of the pages run.
const building = run(['scripts/docs/main.mjs', site], 110_000);
const launching = isWithBrowser ? chromium.launch({
  executablePath: browserPath,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--allow-file-access-from-files'],
}) : undefined;
launching?.catch(() => {});                                   // told by the test that uses it

afterAll(async () => {
  await building;
  await (await launching?.catch(() => undefined))?.close();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

const files = (under) => readdirSync(under, { recursive: true }).filter((name) => name.endsWith('.html'))
  .map((name) => join(under, name));

describe('what one migrates from', () => {
  const pages = readdirSync(join(root, 'docs', 'guide', 'migrating'));
  const programs = pages.flatMap((page) => {
    const text = readFileSync(join(root, 'docs', 'guide', 'migrating', page), 'utf8');
    return [...text.matchAll(/```js\n([^]*?)```\n\n```text\n([^]*?)```/g)]
      .map(([, code, output]) => [page, code, output]);
  });
  it('has programs that run', () => expect(programs.length).toBeGreaterThan(1));
  it.each(programs)('prints what the page says: %s', async (page, code, output) => {
    const at = join(folder, page);
    mkdirSync(at);
    symlinkSync(join(root, 'node_modules'), join(at, 'node_modules'));
    writeFileSync(join(at, 'before.mjs'), code);
    const { stdout, stderr } = await run([join(at, 'before.mjs')], 50_000);
    expect([stdout, stderr]).toEqual([output, '']);
  });
});

describe('the documentation site', () => {
  let texts;
  beforeAll(async () => {
    await building;
    texts = new Map(files(site).map((file) => [file, readFileSync(file, 'utf8')]));
  }, 120_000);

  it('is built without a warning', async () => {
    const { status, stdout, stderr } = await building;
    // What Node says of a tool's own use of it is not of the pages.
    const said = (stdout + stderr).replace(/^\(node:\d+\) \[DEP\d+\].*$/gm, '');
    expect([status, said.match(/warning|error/g)], stdout + stderr).toEqual([0, null]);
  });

  it('has every page of the guide, and every entry', () => {
    const guide = join(root, 'docs', 'guide');
    const pages = readdirSync(guide, { recursive: true }).filter((name) => name.endsWith('.md'));
    expect(pages.length).toBeGreaterThan(24);
    const titles = [...texts.values()].map((text) => /<title>(.*?) \| Percore<\/title>/.exec(text)?.[1]);
    const missing = pages.filter((name) => {
      const [, title] = /^# (.*)$/m.exec(readFileSync(join(guide, name), 'utf8'));
      return !titles.includes(title);
    });
    expect(missing).toEqual([]);
    for (const entry of ['queues', 'timers', 'io', 'realtime', 'testing']) expect(titles).toContain(`percore/${entry}`);
  });

  it('has no link that leads nowhere', () => {
    const broken = new Set();
    const isThere = new Map();
    for (const [file, text] of texts) {
      for (const [, href] of text.matchAll(/<a [^>]*?href="([^"]+)"/g)) {
        if (/^[a-z]+:/.test(href)) continue;
        const [path, anchor] = href.split('#').map(decodeURIComponent);
        const target = path === '' ? file : join(dirname(file), path);
        const key = `${target}#${anchor ?? ''}`;
        if (!isThere.has(key)) {
          isThere.set(key, existsSync(target)
            && (!anchor || !texts.has(target) || texts.get(target).includes(`id="${anchor}"`)));
        }
        if (!isThere.get(key)) broken.add(`${relative(site, file)}: ${href}`);
      }
    }
    expect([...broken]).toEqual([]);
  });

  it('has plots in which every row has a label of its own', () => {
    const plots = texts.get(join(site, 'documents', 'Figures.html')).split('<div class="plot"').slice(1);
    expect(plots.length).toBe(SUITES.length);
    for (const plot of plots) {
      const labels = [...plot.matchAll(/<span class="plot-label">(.+?)<\/span>/g)].map(([, label]) => label);
      expect(labels.length).toBeGreaterThan(10);
      expect(labels.filter((label, i) => labels.indexOf(label) !== i)).toEqual([]);
    }
  });

  it.skipIf(!isWithBrowser)('fits a phone and a desktop', async () => {
    const tab = await (await launching).newPage();
    const wrong = [];
    tab.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
    tab.on('pageerror', (error) => wrong.push(String(error)));
    for (const name of PAGES) {
      await tab.goto(pathToFileURL(join(site, name)).href);
      for (const [width, height] of [[390, 844], [1280, 800]]) {
        await tab.setViewportSize({ width, height });
        const found = await tab.evaluate(looksWrong);
        wrong.push(...found.map((what) => `${name}, ${width} pixels wide: ${what}`));
        for (const colorScheme of screenshots === undefined ? [] : ['light', 'dark']) {
          await tab.emulateMedia({ colorScheme });
          const picture = `${name.replaceAll('/', '-')}-${width}-${colorScheme}.png`;
          await tab.screenshot({ path: join(screenshots, picture) });
        }
      }
    }
    await tab.locator('#tsd-search-trigger').click();
    await tab.locator('#tsd-search-input').fill('createRuntime');
    await tab.locator('#tsd-search-results a').first().waitFor({ timeout: 20_000 });
    expect(wrong).toEqual([]);
  }, 120_000);
});

const PAGES = [
  'index.html', 'documents/Guide.html', 'documents/Figures.html', 'documents/Capacity_planning.html',
  'documents/Errors__result_codes,_error_codes,_events.html', 'documents/Migrating_from_piscina.html',
  'modules/percore.html', 'modules/percore_queues.html',
];

/** Runs in the page: what is too wide for it, and words of links in tables that are broken. */
function looksWrong() {
  const { document, innerWidth } = globalThis;
  const found = [];
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over > 0) found.push(`the page is ${over} pixels too wide`);
  for (const plot of document.querySelectorAll('.plot')) {
    const edge = Math.min(plot.parentElement.getBoundingClientRect().right, innerWidth);
    const all = [plot, ...plot.querySelectorAll('*')];
    const out = all.filter((each) => each.getBoundingClientRect().right > edge + 0.5);
    if (out.length > 0) found.push(`${out.length} parts of a plot beyond its right edge: ${out[0].outerHTML}`);
    if (plot.getBoundingClientRect().width < 200) found.push('a plot without width');
    const clipped = [...plot.querySelectorAll('.plot-label, .plot-factor')]
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth);
    if (clipped.length > 0) found.push(`labels of a plot are clipped: ${clipped[0].outerHTML}`);
  }
  for (const link of document.querySelectorAll('td a')) {
    const text = link.textContent.trim();
    if (/^\w+$/.test(text) && link.getClientRects().length > 1) found.push(`broken inside the word: ${text}`);
  }
  return found;
}
