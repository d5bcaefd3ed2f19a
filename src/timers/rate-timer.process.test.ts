/**
 * Rate timers in processes that are stopped, are refused something, end or crash. Each runs in a process or thread of
 * its own.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { can, isRoot, where } from '../realtime/fixtures/privileges.js';
import { sleep } from '../reactor/fixtures/inside.js';
import { createRuntime } from '../reactor/runtime.js';
import type { TickingServices } from './fixtures/ticking-reactor.js';

const child = fileURLToPath(new URL('./fixtures/child.js', import.meta.url));
const backends = ['timerfd', 'io_uring', 'spin'] as const;

async function run(...args: string[]): Promise<Record<string, never>> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [child, ...args], { timeout: 20_000 });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Record<string, never>;
}

interface Stall {
  ticks: number;
  late: number;
  immediatesAfterLate: number;
  missed: number;
  mostMissed: number;
  mostLatenessNs: number;
  leastLatenessNs: number;
  isSequenceWhole: boolean;
  longestStepNs: number;
  elapsedNs: number;
}

/** Stops the process for half a second while it ticks. */
async function stall(backend: string, catchUp: string): Promise<Stall> {
  const program = spawn(process.execPath, [child, 'stall', backend, catchUp], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(program, 'exit');
  let text = '';
  program.stdout.setEncoding('utf8');
  await new Promise<void>((resolve, reject) => {
    program.stdout.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('"ready"\n')) resolve();
    });
    program.once('exit', () => reject(new Error(`the child has ended: ${text}`)));
  });
  program.kill('SIGSTOP');
  await sleep(500);
  program.kill('SIGCONT');
  expect(await exited).toEqual([0, null]);
  return JSON.parse(text.slice('"ready"\n'.length)) as Stall;
}

describe.each(backends)('a process stopped for half a second: %s', (backend) => {
  it('skips ticks that are over, and tells how many those were', async () => {
    const result = await stall(backend, 'skip');
    expect(result.mostMissed).toBeGreaterThan(450);
    expect(result.isSequenceWhole).toBe(true);
    // The tick after that is in time again.
    expect(result.mostLatenessNs).toBeLessThan(1e6);
    expect(result.leastLatenessNs).toBeGreaterThanOrEqual(0);
    expect(result.ticks).toBeLessThan(result.elapsedNs / 1e6 - 400);
  });

  it('makes up for all of them in a burst, and lets others run between two ticks', async () => {
    const result = await stall(backend, 'burst');
    expect(result.missed).toBe(0);
    expect(result.isSequenceWhole).toBe(true);
    expect(result.late).toBeGreaterThan(350);
    expect(result.mostLatenessNs).toBeGreaterThan(450e6);
    expect(result.ticks).toBe(Math.round(result.elapsedNs / 1e6) + 1);
    expect(result.longestStepNs).toBe(1e6);
    // Each tick of the burst takes a pass of the event loop.
    expect(result.immediatesAfterLate).toBeGreaterThanOrEqual(result.late - 2);
  });

  it('begins a new grid with delay', async () => {
    const result = await stall(backend, 'delay');
    expect(result.missed).toBe(0);
    expect(result.late).toBeGreaterThanOrEqual(1);
    expect(result.mostLatenessNs).toBeGreaterThan(450e6);
    expect(result.longestStepNs).toBeGreaterThan(450e6);
    expect(result.ticks).toBeLessThan(result.elapsedNs / 1e6 - 400);
  });
});

describe.each(backends)('a callback that throws: %s', (backend) => {
  it('is an uncaught exception each time, and stops neither its own timer nor another one', async () => {
    expect(await run('uncaught', backend)).toEqual({
      healthy: expect.any(Number),
      errors: expect.any(Number),
      areOurs: true,
      first: expect.stringMatching(/^tick \d+$/),
    });
  });

  it('goes to onError if there is one', async () => {
    expect(await run('rejected', backend)).toEqual({ errors: 5, last: 'from the callback' });
  });

  it('does not keep a process alive after unref(), or without a callback or a wait', async () => {
    expect(await run('unref', backend)).toBe(true);
  });
});

describe('what the system refuses', () => {
  it('is told in the status, and timerfd takes the place of io_uring', async () => {
    // With a filter like Docker's, io_uring_setup, _enter and _register answer EPERM.
    const filter = `
import ctypes, os, struct, sys
calls = (425, 426, 427)
checks = [(0x15, len(calls) - i, 0, n) for i, n in enumerate(calls)]
program = [(0x20, 0, 0, 0)] + checks + [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050001)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *one) for one in program))
class Program(ctypes.Structure): _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(program), ctypes.addressof(code)))) == 0
os.execv(sys.argv[1], sys.argv[1:])`;
    const { stdout, stderr } = spawnSync('python3', ['-c', filter, process.execPath, child, 'status', 'io_uring'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      asked: 'io_uring',
      granted: 'timerfd',
      why: 'EPERM: Operation not permitted, io_uring_setup',
      latenessNs: expect.any(Number),
    });
  });

  it('is an error if not even a timerfd can be made', () => {
    const code = `
      const { createRateTimer } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)});
      const timers = [];
      try {
        for (;;) timers.push(createRateTimer({ rateHz: 1 }));
      } catch ({ code, errno, syscall, message }) {
        console.log(JSON.stringify({ code, errno, syscall, message }));
      }
      for (const timer of timers) timer.close();
      const timer = createRateTimer({ rateHz: 100 });
      console.log((await timer.tick()).sequence >= 0);
      timer.close();`;
    const { stdout, stderr } = spawnSync(
      'sh', ['-c', 'ulimit -n 120; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', code],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(stderr).toBe('');
    const [error, again] = stdout.trim().split('\n');
    expect(JSON.parse(error!)).toEqual({
      code: 'ERR_PERCORE_SYSTEM',
      errno: 'EMFILE',
      syscall: 'timerfd_create',
      message: 'cannot make a timer: EMFILE: Too many open files, timerfd_create',
    });
    expect(again).toBe('true');
  });

  where(isRoot && can('unshare', '--time', 'true'))(
    'does not include a time namespace a year ahead',
    { timeout: 60_000 },
    () => {
      for (const backend of backends) {
        const { stdout, stderr } = spawnSync(
          'unshare',
          [
            '--time', '--monotonic', String(365 * 86_400), '--boottime', String(365 * 86_400), process.execPath, child,
            'status', backend,
          ],
          { encoding: 'utf8', timeout: 20_000 },
        );
        expect(stderr).toBe('');
        const { latenessNs } = JSON.parse(stdout) as { latenessNs: number };
        expect(latenessNs).toBeGreaterThanOrEqual(0);
        expect(latenessNs).toBeLessThan(1e9);
      }
    },
  );
});

describe('threads that end', () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.url).then(({ createRateTimer }) => {
      const timer = createRateTimer({ rateHz: 20_000, backend: workerData.backend }, () => undefined);
      createRateTimer({ rateHz: 3000, backend: workerData.backend, catchUp: 'burst' }, () => parentPort.postMessage(0));
      (async () => {
        for await (const tick of createRateTimer({ rateHz: 5000, backend: workerData.backend })) {
          if (workerData.close && tick.sequence > 20) { timer.close(); process.exit(0); }
        }
      })();
    });`;
  const url = new URL('./index.js', import.meta.url).href;

  it.each(backends)('leave nothing behind, be they terminated or exit by themselves: %s', async (backend) => {
    const liveAndEnd = async (close: boolean): Promise<void> => {
      const worker = new Worker(code, { eval: true, workerData: { url, backend, close } });
      const exited = once(worker, 'exit');
      await Promise.race([once(worker, 'message'), exited]);
      if (!close) {
        await sleep(Math.random() * 5);
        void worker.terminate();
      }
      await exited;
    };
    await liveAndEnd(false);
    const before = descriptors();
    for (let i = 0; i < 12; i++) await liveAndEnd(i % 3 === 0);
    expect(descriptors()).toBe(before);
  });

  it.each(backends)('may be reactors, which tick by the runtime\'s clock and leave when told: %s', async (backend) => {
    const runtime = await createRuntime<{ calls: TickingServices }>({
      entry: new URL('./fixtures/ticking-reactor.js', import.meta.url),
      reactors: 1,
    });
    const ticks = await runtime.call('tick', backend);
    expect(ticks.length).toBe(20);
    for (const [expectedNs, actualNs, nowNs] of ticks) {
      expect(actualNs).toBeGreaterThanOrEqual(expectedNs);
      expect(nowNs).toBeGreaterThanOrEqual(actualNs);
      expect(nowNs - expectedNs).toBeLessThan(1e9);
    }
    expect(await runtime.close()).toMatchObject({ drained: true, undelivered: 0 });
  });
});
