/** What the counters page has besides tasks, who writes it, and that it goes on while the main thread is blocked. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createRuntime, createTopic, metricsOf, prometheusText, publishCounters, showQueue, subscribe, type CountersPage,
  type Runtime,
} from '../index.js';
import { create, pub, sub } from '../queues/index.js';
import { remoteRuntime, sleep, until, within } from '../reactor/fixtures/inside.js';
import { findPages, readPage, type PageSnapshot } from './page-reader.js';

const IS_LONG = process.env['PERCORE_STRESS'] === '1';
const root = fileURLToPath(new URL('../../../', import.meta.url));
const python = join(root, 'foreign/percore_page.py');
const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));

describe('the counters page has', () => {
  let folder: string;
  let runtime: Runtime;
  let page: CountersPage;
  let thread: Worker;
  const read = (): PageSnapshot => {
    page.publish();
    return readPage(page.path);
  };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'percore-contents-'));
    runtime = await createRuntime({
      entry: new URL('./fixtures/market-reactor.js', import.meta.url), reactors: 2, metrics: { tasks: 16 },
      classes: { audio: { priority: 6 }, bulk: { priority: 1 } },
    });
    process.once('worker', (made) => (thread = made));
    page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 20 });
    await until(() => read().queues.length === 1, 'the reactor shows its queue');
  }, 30_000);
  afterAll(async () => {
    await runtime?.close({ drainMs: 1000 });
    rmSync(folder, { recursive: true, force: true });
  });

  it('queues and the cursors of their consumers', async () => {
    expect(read().queues[0]).toMatchObject({
      name: 'orders', kind: 'spsc fixed', capacity: 64, depth: 4, published: 5, consumed: 1, refused: 0,
      isClosed: false,
      consumers: [{ place: 0, state: 'reading', whenSlow: 'wait', lag: 4, consumed: 1 }],
    });
    const ticks = create({
      kind: 'spmc', capacity: 8, recordBytes: 8, consumers: { slow: { whenSlow: 'drop-oldest' } },
    });
    const producer = pub(ticks);
    sub(ticks, { name: 'slow' });
    showQueue(runtime, 'ticks', ticks);
    for (let i = 0; i < 20; i++) producer.offer(new Uint8Array(8));
    const shown = read().queues.find(({ name }) => name === 'ticks')!;
    expect([shown.kind, shown.published, shown.dropped.oldest > 0]).toEqual(['spmc fixed', 20, true]);
    expect(shown.consumers[0]).toMatchObject({ name: 'slow', whenSlow: 'drop-oldest' });
    expect(prometheusText(runtime)).toMatch(/^percore_queue_dropped_total\{queue="ticks",reason="oldest"\} [1-9]/m);
    showQueue(runtime, 'ticks', undefined);
    expect(read().queues.map(({ name }) => name)).toEqual(['orders']);
    for (const wrong of [create({ backend: 'deque', capacity: 4 }), {}, null]) {
      expect(() => showQueue(runtime, 'wrong', wrong as never)).toThrow(/^queue must be/);
    }
    expect(() => showQueue(runtime, '', ticks)).toThrow(/^name must be/);
  });

  it('topics and subscriptions of every party', async () => {
    const seen: unknown[] = [];
    const subscription = subscribe(runtime, 'prices.eur', {}, (price: unknown) => void seen.push(price));
    await until(() => seen.length > 2, 'prices come');
    const { topics } = read();
    const of = (role: string, name: string) => topics.find((topic) => topic.role === role && topic.name === name)!;
    expect(of('publishes', 'prices.eur')).toMatchObject({ party: 0, priority: 3, refused: 0, isOver: false });
    expect(of('publishes', 'prices.eur').messages).toBeGreaterThanOrEqual(of('subscribes', 'prices.eur').messages);
    expect(of('subscribes', 'prices.*')).toMatchObject({ party: 0, lag: 0, capacity: 1024 });
    expect(of('subscribes', 'prices.eur').party).toBe(2);
    expect(of('subscribes', 'prices.eur').messages).toBeGreaterThan(2);
    expect(subscription.status().received).toBeGreaterThanOrEqual(of('subscribes', 'prices.eur').messages);
    expect(prometheusText(runtime)).toMatch(/^percore_topic_published_total\{reactor="0",topic="prices.eur"\} [1-9]/m);
    subscription.leave();
    const { received } = subscription.status();
    // Whoever comes with the same pattern goes on with its row, and begins at nothing for itself.
    const next = subscribe(runtime, 'prices.eur', {}, () => undefined);
    expect([next.status().received, subscription.status().received]).toEqual([0, received]);
    expect(read().topics.filter(({ name, party }) => name === 'prices.eur' && party === 2).length).toBe(1);
    next.leave();
    const own = createTopic(runtime, { name: 'own' });
    own.publish(1);
    own.close();
    expect(read().topics.find(({ name }) => name === 'own')).toMatchObject({ messages: 1, isOver: true, party: 2 });
  });

  it('lanes, ways, classes and what was granted', async () => {
    // A way may be on the page before its first message is counted there.
    const isMeasured = ({ ways }: ReturnType<typeof read>): boolean => ways.some(({ figure }) => figure.count > 0);
    await until(() => isMeasured(read()), 'the way of a message was measured');
    const { lanes, classes, reactors, ways, leftOut } = read();
    expect(leftOut).toBe(0);
    const answers = lanes.filter(({ isReturn }) => isReturn).length;
    expect([lanes.length > 1, answers < lanes.length]).toEqual([true, true]);
    for (const { published, taken, lag, waitingBytes, capacityBytes } of lanes) {
      expect(published).toBeGreaterThanOrEqual(taken);
      expect(lag).toBeGreaterThanOrEqual(0);
      expect(waitingBytes).toBeLessThanOrEqual(capacityBytes);
    }
    expect(ways.some(({ figure }) => figure.count > 0)).toBe(true);
    expect(classes.slice(0, 2).map(({ name, priority, tasks }) => [name, priority, tasks])).toEqual(
      [['audio', 6, 1], ['bulk', 1, 0]]);
    const [audio] = classes;
    expect([audio!.steps > 0, audio!.stepNs > 0, audio!.figures.response.maxNs > 0]).toEqual([true, true, true]);
    expect(reactors.map(({ id, state }) => [id, state])).toEqual([[0, 'ready'], [1, 'ready']]);
    expect(reactors[0]!.tid).toBe(runtime.status().reactors[0]!.tid);
    const { ownCost } = metricsOf(runtime);
    expect(ownCost.figuresNs).toBeGreaterThan(0);
    expect(ownCost.recorderNs).toBeGreaterThanOrEqual(0);
  });

  it('the same for Python, and goes on while the main thread is blocked', () => {
    interface Seen {
      publishedNs: number; queues: { name: string; kind: string }[]; cursors: { lag: number; state: string }[];
      topics: { name: string; messages: number }[]; classes: { name: string }[]; reactors: { state: string }[];
      lanes: { waitingBytes: number; lag: number }[]; tasks: { name: string; steps: number }[];
    }
    const steps = ({ tasks }: Seen): number => tasks.find(({ name }) => name === 'voice')!.steps;
    const all: Seen[] = [];
    // Ten readings take half a second, and on a busy machine the reactor may stand still for as long, since it has no
    // CPU, or since its collection waits for a thread of V8's that has none.
    for (let round = 0; round < 20 && (round === 0 || steps(all.at(-1)!) === steps(all[0]!)); round++) {
      const text = execFileSync('python3', [python, page.path, '10', '0.05'], { encoding: 'utf8' });
      all.push(...text.trim().split('\n').map((line) => JSON.parse(line) as Seen));
    }
    const first = all[0]!;
    const last = all.at(-1)!;
    expect([first.queues[0]!.name, first.queues[0]!.kind, first.cursors[0]!.state, first.cursors[0]!.lag]).toEqual(
      ['orders', 'spsc fixed', 'reading', 4]);
    expect([first.classes[0]!.name, first.reactors[0]!.state]).toEqual(['audio', 'ready']);
    expect(first.lanes.length).toBeGreaterThan(1);
    // This thread has waited for Python all the while.
    expect(last.publishedNs).toBeGreaterThan(first.publishedNs);
    expect(steps(last)).toBeGreaterThan(steps(first));
    for (const [i, now] of all.slice(1).entries()) {
      const before = all[i]!;
      expect(now.publishedNs).toBeGreaterThanOrEqual(before.publishedNs);
      expect(steps(now)).toBeGreaterThanOrEqual(steps(before));
      for (const [at, { messages }] of before.topics.entries()) {
        expect(now.topics[at]!.messages).toBeGreaterThanOrEqual(messages);
      }
    }
  }, 60_000);

  it('an answer to percore slo by the name of a class, while the main thread is blocked', () => {
    const slo = (...args: string[]) => spawnSync(
      process.execPath, [cli, 'slo', '--page', page.path, ...args], { encoding: 'utf8', timeout: 30_000 });
    expect(slo('--class', 'audio', '--run', '1s')).toMatchObject({ status: 0, stdout: '1 task\n' });
    expect(metricsOf(runtime).tasks.find(({ name }) => name === 'voice')!.figures.run.boundNs).toBe(1e9);
    const wrong = slo('--class', 'video', '--run', '1s');
    expect([wrong.status, wrong.stderr.includes('audio, bulk')]).toEqual([2, true]);
    expect(slo('--class', 'audio', '--priority', '6', '--run', '1s').status).toBe(2);
  }, 60_000);

  it('the main thread as its writer when its thread has ended', async () => {
    const warned = within(20_000, once(process, 'warning'), 'it is told');
    await thread.terminate();
    const [warning] = (await warned) as [Error];
    expect(warning.message).toMatch(/^the thread that writes the counters page .* has ended/);
    const { publishedNs, queues } = readPage(page.path);
    await until(() => readPage(page.path).publishedNs > publishedNs, 'it goes on');
    expect(queues[0]!.name).toBe('orders');
    page.close();
    expect(existsSync(page.path)).toBe(false);
  }, 30_000);
});

describe('a page whose program or reader is killed', () => {
  const index = new URL('../index.js', import.meta.url).href;
  const entry = new URL('../reactor/fixtures/remote.js', import.meta.url).href;

  it('is gone after the next start, whenever the program died', async () => {
    for (let round = 0; round < (IS_LONG ? 20 : 2); round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', `
        import { createRuntime, publishCounters } from ${JSON.stringify(index)};
        const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1, metrics: true });
        console.log(publishCounters(runtime, { everyMs: 10 }).path);
      `], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [path] = (await within(30_000, once(createInterface({ input: child.stdout! }), 'line'), 'its path')) as [
        string];
      // Amid the start of the thread, or a writing.
      await sleep(Math.random() * 60);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const other = await remoteRuntime(1);
      const page = publishCounters(other);
      expect(existsSync(path)).toBe(false);
      await other.close();
      expect(existsSync(page.path)).toBe(false);
      expect(findPages().some((found) => found.pid === child.pid)).toBe(false);
    }
  }, 120_000);

  it('is whole whenever a reader is killed', async () => {
    const runtime = await remoteRuntime(1, { metrics: true });
    const page = publishCounters(runtime, { everyMs: 10 });
    const readers: ChildProcess[] = [];
    try {
      for (let round = 0; round < (IS_LONG ? 30 : 3); round++) {
        const reader = spawn('python3', [python, page.path, '100000', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
        readers.push(reader);
        await within(20_000, once(reader.stdout!, 'data'), 'it reads');
        await sleep(Math.random() * 20);
        reader.kill('SIGKILL');
        await once(reader, 'exit');
      }
      const { publishedNs } = readPage(page.path);
      await until(() => readPage(page.path).publishedNs > publishedNs, 'it is written still');
    } finally {
      for (const reader of readers) reader.kill('SIGKILL');
      await runtime.close();
    }
    expect(existsSync(page.path)).toBe(false);
  }, 120_000);
});
