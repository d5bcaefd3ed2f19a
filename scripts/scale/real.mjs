// Measures what many reactors cost a real process: address space and memory, the time of the start, and looking at
// lanes. To be run in a process of its own: `node scripts/scale/real.mjs 64` prints one line of JSON.
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { createRuntime } from '../../dist/src/index.js';

const PASSES = 50;
const ROUNDS = 1000;

export default function start(reactor) {
  // Makes the lanes of these bands to everybody, and touches a few bytes of each.
  reactor.handle('fill', ([bands, everybody]) => {
    for (let band = 0; band < bands; band++) {
      reactor.send('sink', 1, { reactor: 'main', priority: band });
      const all = everybody ? reactor.reactors : 0;
      for (let to = 0; to < all; to++) reactor.send('sink', 1, { reactor: to, priority: band });
    }
  });
  reactor.spawn({ name: 'sink' }, () => undefined);
}

/** The values of fields in /proc/self/status, in KiB. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return { sizeKiB: field('VmSize'), residentKiB: field('VmRSS'), sharedKiB: field('RssShmem') + field('RssAnon') };
}

/**
 * How many nanoseconds a pass of this thread's loop takes, in which the turn looks at its lanes: the least of some
 * rounds.
 */
async function passNs() {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const from = process.hrtime.bigint();
    await new Promise((resolve) => {
      let left = PASSES;
      const pass = () => (--left > 0 ? setImmediate(pass) : resolve());
      setImmediate(pass);
    });
    least = Math.min(least, Number(process.hrtime.bigint() - from) / PASSES);
  }
  return least;
}

/** Starts `reactors` real reactors, and then makes and uses lanes. */
export async function measure(reactors) {
  const before = memory();
  const from = performance.now();
  const runtime = await createRuntime({
    entry: new URL(import.meta.url), reactors, idle: { strategy: 'park' }, startTimeoutMs: 300_000,
    main: (made) => void made.spawn({ name: 'sink' }, () => undefined),
  });
  const startMs = performance.now() - from;
  const started = memory();
  const passes = [{ lanes: 0, ns: await passNs() }];
  const fill = async (bands, everybody) => {
    for (let id = 0; id < reactors; id++) await runtime.call('fill', [bands, everybody], { reactor: id });
  };
  // Each call has also made a return lane to the main thread.
  for (const bands of [1, 8]) {
    await fill(bands, false);
    passes.push({ lanes: reactors * (bands + 1), ns: await passNs() });
  }
  const beforeLanes = memory();
  await fill(1, true);
  const afterOne = memory();
  await fill(8, true);
  const afterAll = memory();
  await runtime.close();
  return {
    reactors, startMs, passes,
    sizeMiB: (started.sizeKiB - before.sizeKiB) / 1024 / reactors,
    residentMiB: (started.residentKiB - before.residentKiB) / 1024 / reactors,
    laneKiB: (afterOne.sharedKiB - beforeLanes.sharedKiB) / reactors ** 2,
    allLanesMiB: (afterAll.sharedKiB - beforeLanes.sharedKiB) / 1024,
  };
}

if (isMainThread && process.argv[1]?.endsWith('real.mjs')) {
  console.log(JSON.stringify(await measure(Number(process.argv[2]))));
}
