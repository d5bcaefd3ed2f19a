/** `percore web` and `serveInspection`, in Chromium and by hand-made requests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createTopic, publishCounters, serveInspection, setSlo, showQueue, type CountersPage, type Inspection, type Runtime,
} from '../index.js';
import { create } from '../queues/index.js';
import { readPage, serveSnapshots } from '../monitor/internal.js';
import { inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';

const program = fileURLToPath(new URL('./main.js', import.meta.url));
/** Where pictures of the page are kept, for who wants to look at them. */
const pictures = process.env['PERCORE_SCREENSHOTS'];
const browserPath = process.env['PERCORE_CHROMIUM'] ?? '/usr/bin/chromium';

function ask(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers, method }, (response) => {
      response.destroy();
      resolve(response.statusCode!);
    }).on('error', reject).end();
  });
}

describe('a program in the browser', () => {
  let folder: string;
  let runtime: Runtime;
  let page: CountersPage;
  let inspection: Inspection;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'percore-web-'));
    runtime = await remoteRuntime(2, { metrics: { tasks: 16 } });
    await inside(runtime, 0, (reactor) => {
      const spin = (ns: number): void => {
        const endNs = reactor.nowNs() + ns;
        while (reactor.nowNs() < endNs);
      };
      const quick = reactor.spawn({ name: 'quotes <b>', priority: 6 }, () => spin(2e3 + Math.random() * 3e4));
      const slow = reactor.spawn({ name: 'settlement', priority: 1 }, () => spin(3e6));
      reactor.timers.every({ intervalNs: 5e6 }, () => {
        for (let i = 0; i < 20; i++) quick.send(i);
      });
      reactor.timers.every({ intervalNs: 1e8 }, () => void slow.send(0));
    });
    page = publishCounters(runtime, { path: join(folder, 'page') });
    showQueue(runtime, 'orders <i>', create({ kind: 'spsc', capacity: 16, recordBytes: 8 }));
    createTopic(runtime, { name: 'prices.eur' }).publish(1);
    await until(() => setSlo(runtime, { task: 'settlement' }, { responseNs: 1e6 }) === 1, 'it is there');
    inspection = await serveInspection(runtime);
  }, 30_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await runtime?.close({ drainMs: 1000 });
    rmSync(folder, { recursive: true, force: true });
  });

  it('is shown to whoever has the token, and to no site that the user visits', async () => {
    const { url, port } = inspection;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
    const events = url.replace('/?', '/events?');
    for (const address of [url, events]) {
      expect(await ask(address)).toBe(200);
      expect(await ask(address, { host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
      expect(await ask(address.slice(0, -1))).toBe(401);
      expect(await ask(address.replace(/token=.*/, ''))).toBe(401);
      const foreign: Record<string, string>[] = [
        { host: `evil.example:${port}` }, { host: `127.0.0.1:${port + 1}` }, { origin: 'http://evil.example' },
        { origin: 'null' }, { origin: `http://127.0.0.1:${port + 1}` }, { 'sec-fetch-site': 'cross-site' },
      ];
      for (const headers of foreign) expect(await ask(address, headers), JSON.stringify(headers)).toBe(403);
      expect(await ask(address, {}, 'POST')).toBe(405);
    }
    expect(await ask(url.replace('/?', '/other?'))).toBe(404);
    await expect(serveInspection(runtime, { port })).rejects.toMatchObject(
      { code: 'ERR_PERCORE_SYSTEM', errno: 'EADDRINUSE' });
    await expect(serveInspection(runtime, { port: -1 })).rejects.toMatchObject({ argument: 'options.port' });
  });

  it('keeps nothing for a browser that does not read', async () => {
    const socket = connect(inspection.port, '127.0.0.1');
    socket.pause();
    const { search } = new URL(inspection.url);
    socket.write(`GET /events${search} HTTP/1.1\r\n`
      + `Host: 127.0.0.1:${inspection.port}\r\n\r\n`);
    await until(() => inspection.clients === 1, 'it is there');
    socket.destroy();
    await until(() => inspection.clients === 0, 'it is forgotten');
  });

  it('leaves out events for a browser that is slow, and for nobody else', async () => {
    const one = readPage(page.path);
    // Larger than what the system keeps for a connection: the second event finds the first one still there.
    const large = { ...one, tasks: Array.from({ length: 20_000 }, () => one.tasks[0]!) };
    const served = await serveSnapshots(() => large, {});
    const { search } = new URL(served.url);
    const follow = (onBytes: (length: number) => void) => {
      const socket = connect(served.port, '127.0.0.1');
      socket.write(`GET /events${search} HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\n\r\n`);
      socket.on('data', (bytes) => onBytes(bytes.length));
      return socket;
    };
    let received = 0;
    const fast = follow((length) => (received += length));
    const slow = follow(() => slow.pause());
    try {
      await until(() => served.clients === 2, 'both are there', 20_000);
      await until(() => served.skipped >= 2, 'events are left out', 60_000);
      const before = received;
      await until(() => received > before + 1e6, 'the other one has the next', 60_000);
    } finally {
      fast.destroy();
      slow.destroy();
      await served.close();
    }
  }, 120_000);

  const hasBrowser = existsSync(browserPath);
  it.skipIf(!hasBrowser && process.env['CI'] === undefined)('draws, follows, and says when it is over', async () => {
    const child = spawn(
      process.execPath, [program, 'web', '--page', page.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const url = await new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve));
    const browser: Browser = await chromium.launch({
      executablePath: browserPath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    });
    try {
      const wrong: string[] = [];
      const tab = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      const comesTrue = (expression: string): Promise<void> =>
        until(async () => await tab.evaluate(expression) === true, expression, 20_000);
      tab.on('console', (message) => {
        if (message.type() === 'error') wrong.push(message.text());
      });
      tab.on('pageerror', (error) => wrong.push(String(error)));
      tab.on('request', (each) => {
        if (!each.url().startsWith(new URL(url).origin) && !each.url().startsWith('data:')) wrong.push(each.url());
      });
      await tab.goto(url);
      // It draws: each plot has ink, and the legend names what there is.
      await comesTrue(`[...document.querySelectorAll('canvas')].filter((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, i) => i % 4 === 3 && value !== 0);
      }).length === 5`);
      const text = (await tab.textContent('body'))!;
      for (const name of ['reactor 0', 'reactor 1', 'band 6', 'quotes <b>', 'settlement']) expect(text).toContain(name);
      for (const name of ['main → 0', 'orders <i>', 'prices.eur']) expect(text).toContain(name);
      expect(await tab.textContent('#pid')).toBe(String(process.pid));
      await comesTrue(
        `/settlement: response .* us: longStep settlement/.test(document.querySelector('#cases').textContent)`);
      // It follows: the steps of a task grow.
      const before = await tab.textContent('#tasks');
      await comesTrue(`document.querySelector('#tasks').textContent !== ${JSON.stringify(before)}`);
      if (pictures !== undefined) {
        await tab.waitForTimeout(12_000);
        for (const colorScheme of ['light', 'dark'] as const) {
          for (const [name, width, height] of [['desktop', 1280, 900], ['phone', 390, 844]] as const) {
            await tab.emulateMedia({ colorScheme });
            await tab.setViewportSize({ width, height });
            await tab.waitForTimeout(700);
            await tab.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`), fullPage: true });
          }
        }
      }
      expect(await tab.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      // It survives the end of what it shows, and says so.
      page.close();
      await comesTrue(`document.querySelector('#state').textContent === 'has ended'`);
      expect(await tab.textContent('#tasks')).toContain('settlement');
      expect(wrong).toEqual([]);
    } finally {
      await browser.close();
      child.kill('SIGTERM');
    }
  }, 90_000);

  it('is over with its runtime', async () => {
    const other = await remoteRuntime(1);
    const { url } = await serveInspection(other);
    expect(await ask(url)).toBe(200);
    await other.close();
    await expect(ask(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
