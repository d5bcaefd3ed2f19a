/** The counters page, read by other processes and other languages while it is written. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync, copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  dumpFlightOnSignal, exportMetrics, onMetrics, publishCounters, serveInspection, setSlo, type Runtime,
} from '../index.js';
import { pageLayout } from '../layout.js';
import { inside, remoteRuntime, until, within } from '../reactor/fixtures/inside.js';
import { RateController, RateSurface, createRateState } from '../timers/index.js';
import { askForBounds } from './page-asks.js';
import { findPages, readPage, removeStalePages } from './page-reader.js';

const IS_LONG = process.env['PERCORE_STRESS'] === '1';
const MESSAGES = IS_LONG ? 1e7 : 50_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));
const python = join(root, 'foreign/percore_page.py');

interface Snapshot {
  pid: number;
  parties: { received: number; 'steps': number[] }[];
  tasks: { name: string; steps: number; maxNs: number[] }[];
  rates: { name: string; rateHz: number; lastEmissionNs: number }[];
}

describe('the counters page', () => {
  let folder: string;
  let runtime: Runtime;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'percore-page-'));
    runtime = await remoteRuntime(1, { metrics: { tasks: 16 } });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await runtime?.close({ drainMs: 1000 });
    rmSync(folder, { recursive: true, force: true });
  });
  const flood = (count: number): Promise<void> => inside(runtime, 0, (reactor, most) => new Promise<void>((resolve) => {
    let taken = 0;
    const sink = reactor.spawnBytes({ name: `sink ${Math.random()}`, priority: 2 }, () => {
      if (++taken === most) resolve();
    });
    const bytes = new Uint8Array(8);
    let sent = 0;
    const send = (): void => {
      while (sent < most && sink.send(bytes) === 0) sent++;
      reactor.flush();
      if (sent < most) setImmediate(send);
    };
    send();
  }), count);

  it('shows what status() shows, to this user alone, and is gone with the runtime', async () => {
    const page = publishCounters(runtime, { path: join(folder, 'page') });
    expect(statSync(page.path).mode & 0o777).toBe(0o600);
    await flood(100);
    page.publish();
    const { pid, parties, tasks, isClosed } = readPage(page.path);
    const { reactors: [reactor] } = runtime.status();
    expect([pid, isClosed, parties.length]).toEqual([process.pid, false, 2]);
    expect(parties[0]!.received).toBeGreaterThanOrEqual(100);
    expect(parties[0]!.received).toBeLessThanOrEqual(reactor!.received);
    expect(parties[0]!.droppedByReason).toEqual(reactor!.droppedByReason);
    const sink = tasks.find(({ name }) => name.startsWith('sink'))!;
    expect([sink.party, sink.priority, sink.steps]).toEqual([0, 2, 100]);
    await runtime.close();
    expect(existsSync(page.path)).toBe(false);
    page.close();
  });

  it('shows bounds, violations and the cause', async () => {
    const page = publishCounters(runtime, { path: join(folder, 'page') });
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'slow' }, () => {
      const endNs = reactor.nowNs() + 2e6;
      while (reactor.nowNs() < endNs);
    }));
    setSlo(runtime, { task: 'slow' }, { runNs: 1_000_000 });
    const slow = () => readPage(page.path).tasks.find(({ name }) => name === 'slow')!;
    await until(() => {
      runtime.send('slow', 0, { reactor: 0 });
      page.publish();
      return slow().cause !== '';
    }, 'the cause is there');
    const { figures: { run }, cause } = slow();
    expect([run.boundNs, run.violations > 0]).toEqual([1_000_000, true]);
    expect(cause).toMatch(/^run \d+ us: /);
  });

  it('is read by Python while messages pass, and every count only grows', async () => {
    const state = createRateState();
    const page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 10, rates: { camera: state } });
    const surface = new RateSurface({ targetHz: 200, minimumHz: 10, maximumHz: 1000 });
    const controller = new RateController({
      surface, tokens: (function* () { for (;;) yield 0; })(), emit: () => undefined, state,
    });
    const child = spawn('python3', [python, page.path, '100000', '0.005'], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const snapshots: Snapshot[] = [];
    createInterface({ input: child.stdout! }).on('line', (line) => void snapshots.push(JSON.parse(line) as Snapshot));
    await until(() => snapshots.length > 0, 'Python reads');
    await flood(MESSAGES);
    const isThrough = (): boolean => snapshots.at(-1)!.parties[0]!.received >= MESSAGES;
    await until(isThrough, 'Python has seen all', 20_000);
    await until(() => snapshots.at(-1)!.rates[0]!.lastEmissionNs > snapshots[0]!.rates[0]!.lastEmissionNs, 'ticks');
    controller.close();
    child.kill();
    expect(snapshots.every(({ pid }) => pid === process.pid)).toBe(true);
    expect(snapshots.at(-1)!.rates[0]).toMatchObject({ name: 'camera', rateHz: 200 });
    for (const [i, now] of snapshots.slice(1).entries()) {
      const before = snapshots[i]!;
      for (const [id, party] of now.parties.entries()) {
        for (const [name, value] of Object.entries(party)) {
          if (typeof value !== 'number' || /callsInFlight|waitingBytes|Depth|live|open|backlog/i.test(name)) continue;
          const last = (before.parties[id] as unknown as Record<string, number>)[name]!;
          expect(value, `${name} of party ${id}`).toBeGreaterThanOrEqual(last);
        }
      }
      for (const [place, task] of before.tasks.entries()) {
        expect(now.tasks[place]!.steps).toBeGreaterThanOrEqual(task.steps);
        expect(now.tasks[place]!.maxNs[3]!).toBeGreaterThanOrEqual(task.maxNs[3]!);
      }
    }
  }, 120_000);

  it('gives Python a timer that follows a rate controller', async () => {
    const state = createRateState();
    const page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 20, rates: { camera: state } });
    const surface = new RateSurface({ targetHz: 50, minimumHz: 10, maximumHz: 1000 });
    const controller = new RateController({
      surface, tokens: (function* () { for (;;) yield 0; })(), emit: () => undefined, state,
    });
    const program = 'import sys; sys.path.insert(0, sys.argv[1]); from percore_page import Page, RateTimer\n'
      + 'timer = RateTimer(Page(sys.argv[2]), "camera")\nprint([timer.wait_for_tick() for _ in range(10)])';
    const child = spawn('python3', ['-c', program, join(root, 'foreign'), page.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    await within(20_000, once(child, 'close'), 'ten ticks');
    const nextNs = state[2]!;
    controller.close();
    const ticks = JSON.parse(text) as number[];
    expect(ticks.length).toBe(10);
    for (const [i, tick] of ticks.entries()) {
      if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1]!);
      // On the controller's grid, however late either of them was.
      const off = Math.abs((nextNs - tick) % 2e7);
      expect(Math.min(off, 2e7 - off)).toBeLessThan(1e4);
    }
  }, 60_000);

  it('is read by C', async () => {
    const page = publishCounters(runtime, { path: join(folder, 'page') });
    const program = join(folder, 'percore_page');
    const source = join(root, 'foreign/percore_page.c');
    execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
    await flood(1000);
    page.publish();
    const lines = execFileSync(program, [page.path, 'received'], { encoding: 'utf8' }).trim().split('\n');
    expect(lines).toEqual(readPage(page.path).parties.map(({ received }, id) => `${id} ${received}`));
    expect(spawnSync(program, [page.path, 'nothing']).status).toBe(1);
  });

  it('whose writer was killed in the middle holds no reader', async () => {
    const page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 60_000 });
    page.publish();
    const bytes = readFileSync(page.path);
    const { at } = pageLayout.fields.sequence;
    bytes.writeInt32LE(bytes.readInt32LE(at) | 1, at);
    const torn = join(folder, 'torn');
    writeFileSync(torn, bytes);
    const busy = expect.objectContaining({ errno: 'EBUSY' }) as Error;
    expect(() => readPage(torn)).toThrow(busy);
    bytes.writeDoubleLE(1, pageLayout.fields.startTicks.at);
    writeFileSync(torn, bytes);
    expect(() => readPage(torn)).toThrow(/its process has ended while it wrote it$/);
    const program = join(folder, 'percore_page_torn');
    execFileSync('gcc', ['-O1', '-o', program, join(root, 'foreign/percore_page.c')]);
    const readers = [['python3', python, torn], [program, torn]] as const;
    const ends = await Promise.all(readers.map(async ([command, ...rest]) => {
      const child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
      children.push(child);
      let said = '';
      child.stderr!.on('data', (text: Buffer) => void (said += text.toString()));
      const [code] = (await within(30_000, once(child, 'close'), `${command} ends`)) as [number];
      return [code, /is being written all the time/.test(said)];
    }));
    expect(ends).toEqual([[1, true], [1, true]]);
  }, 60_000);

  it('is refused once the runtime has closed, like all that would end with it', async () => {
    const closed = await remoteRuntime(1, { metrics: true });
    for (let i = 0; i < 3; i++) publishCounters(closed, { path: join(folder, 'page') }).close();
    await closed.close();
    const error = expect.objectContaining({ code: 'ERR_PERCORE_CLOSED' }) as Error;
    const meter = { createObservableCounter: () => undefined, createObservableGauge: () => undefined };
    expect(() => publishCounters(closed)).toThrow(error);
    expect(() => dumpFlightOnSignal(closed)).toThrow(error);
    expect(() => onMetrics(closed, {}, () => undefined)).toThrow(error);
    expect(() => exportMetrics(closed, meter as never)).toThrow(error);
    await expect(serveInspection(closed)).rejects.toThrow(error);
    expect(process.listenerCount('SIGUSR2')).toBe(0);
  });

  it('of another user is named, with what would help', () => {
    const path = '/dev/shm/percore-4194304';
    writeFileSync(path, '', { mode: 0o000 });
    try {
      const module = new URL('../cli/choose-page.js', import.meta.url).href;
      // Root may read everything, so it becomes another user once the modules are loaded.
      const text = `const { pathOf } = await import(${JSON.stringify(module)});
        if (process.getuid() === 0) process.setuid(65_534);
        process.exit(pathOf('top', '4194304') === undefined ? 1 : 0);`;
      const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
      expect([status, stderr]).toEqual([1, `percore top: you may not read ${path}: be its user, or root\n`]);
    } finally {
      rmSync(path);
    }
  });

  it('of a process that was killed is not found, and is removed by the next one', async () => {
    const entry = new URL('../reactor/fixtures/remote.js', import.meta.url).href;
    const index = new URL('../index.js', import.meta.url).href;
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      import { createRuntime, publishCounters } from ${JSON.stringify(index)};
      const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1 });
      console.log(publishCounters(runtime).path);
    `], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const lines = createInterface({ input: child.stdout! });
    const [path] = (await within(20_000, once(lines, 'line'), 'its path')) as [string];
    expect(findPages().map((page) => page.path)).toContain(path);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(path)).toBe(true);
    // Whoever follows it sees that it has ended.
    expect(readPage(path).isClosed).toBe(true);
    expect(findPages().map((page) => page.path)).not.toContain(path);
    const page = publishCounters(runtime);
    expect(existsSync(path)).toBe(false);
    expect(page.path).toMatch(new RegExp(`/percore-${process.pid}(-\\d+)?$`));
    page.close();
    expect(existsSync(page.path)).toBe(false);
  }, 60_000);

  it('waits for no FIFO, follows no link, and believes no other user', async () => {
    const page = publishCounters(runtime, { path: join(folder, 'percore-1') });
    expect(findPages(folder).map(({ path }) => path)).toEqual([page.path]);
    const [fifo, link, strange] = ['2', '3', '4'].map((number) => join(folder, `percore-${number}`)) as string[] as
      [string, string, string];
    execFileSync('mkfifo', [fifo]);
    symlinkSync(page.path, link);
    copyFileSync(page.path, strange);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(strange, 65_534, 65_534);
    // This process lives, so nothing is stale; as root this is another user's word for it.
    removeStalePages(folder);
    expect(findPages(folder).map(({ path }) => path)).toEqual(isRoot ? [page.path] : [page.path, strange]);
    for (const path of [fifo, link]) {
      expect(() => readPage(path)).toThrow();
      await expect(askForBounds(path, { task: 'x', band: undefined, reactor: undefined, boundsNs: [1, 1, 1, 1] }))
        .rejects.toThrow();
    }
    expect(readdirSync(folder).length).toBe(4);
  });

  it('reads nothing out of a page that something else has written to', () => {
    const page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 60_000 });
    page.publish();
    const bytes = readFileSync(page.path);
    const damaged = join(folder, 'damaged');
    const { sequence, ...counts } = pageLayout.fields;
    for (const [name, { at, type }] of Object.entries(counts)) {
      if (!(`${name}At` in counts)) continue;
      for (const number of [-1, 2 ** 31 - 1]) {
        const copy = Buffer.from(bytes);
        if (type === 'f64') copy.writeDoubleLE(number, at);
        else copy.writeInt32LE(number, at);
        copy.writeInt32LE(copy.readInt32LE(sequence.at) & ~1, sequence.at);
        writeFileSync(damaged, copy);
        expect(() => readPage(damaged), `${name} ${number}`).toThrow(/it is damaged$/);
      }
    }
  });

  it('refuses what it cannot do, and leaves alone what is none', () => {
    const path = join(folder, 'page');
    const page = publishCounters(runtime, { path });
    expect(() => publishCounters(runtime, { path })).toThrow(expect.objectContaining({ errno: 'EEXIST' }));
    expect(() => publishCounters(runtime, { everyMs: 1 })).toThrow(/^everyMs must be/);
    expect(() => publishCounters(runtime, { rates: { a: new Float64Array(4) } })).toThrow(/^rates\.a must be/);
    // A file that has taken its place is another one's.
    rmSync(path);
    writeFileSync(path, 'of somebody else');
    page.close();
    expect(readFileSync(path, 'utf8')).toBe('of somebody else');
    rmSync(path);
    for (const rates of [5, null, ['a']]) {
      expect(() => publishCounters(runtime, { rates: rates as never })).toThrow(/^rates must be/);
    }
    expect(() => readPage(python)).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_SYSTEM' }));
    removeStalePages(folder);
    expect(readdirSync(folder)).toEqual([]);
  });
});
