/**
 * Measures single writes of a real-time FIFO by a level, in a process of its own: `node rt-fifo-process.js '{"cpu":1}'`
 * prints one JSON object, a StoppedReport.
 *
 *      level:  writes a round, until the FIFO is full and longer --> "round" --> main: reads all, spawns the next round
 *
 * After whatever took long, the writes and what lies between them alike, the level looks whether an interrupt came, or
 * the kernel gave its CPU to another thread. So each look tells of that one piece. What the host of a virtual machine
 * takes cannot be told so: after the writes of a round the level reads the clock for as long as they took, and the
 * longest gap there, without an interrupt again, is what a write may be late by without our doing.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { OK } from 'percore';
import { struct } from 'percore/queues';
import {
  clearCore, createRealtimeFifo, defineApp, implementApp, openRealtimeFifo, readRealtimeFifo, realtimeFifoStatus,
  startApp, takes, type RealtimeFifo, type RealtimeFifoWriter,
} from 'percore/realtime';
import { native } from '../../../src/native.js';
import { Stolen } from './stolen.js';

export interface StoppedReport {
  /** The longest write, and the longest of those from which nothing was taken, in nanoseconds. */
  readonly wallNs: number;
  readonly ownNs: number;
  /** The longest gap, of those from which nothing was taken that the kernel knows of, where only the clock was read. */
  readonly gapNs: number;
  /** Writes that took long, and those of them that were interrupted. */
  readonly long: number;
  readonly stolen: number;
  readonly count: number;
  readonly isFifo: boolean;
}

/** The priority that cyclictest has in the rows beside it. */
const PRIORITY = 80;
const ROUNDS = 100;
/** V8 optimizes meanwhile, in the level's own thread. */
const WARM_UP = 50;
/** Half of a round fits, the other half is dropped. */
const WRITES = 2048;
const LONG_NS = 5_000;
/** CLOCK_MONOTONIC of Linux. */
const MONOTONIC = 1;

type Fields = { at: 'f64'; value: 'f64' };
interface Shared {
  readonly fifo: RealtimeFifo<Fields>;
  /** See Stolen. */
  readonly column: number;
}

export const app = defineApp({
  cores: [{}], tasks: { write: { priority: 1, takes: takes<number>() } }, main: { spawns: ['write'] },
});

/** In the level. A clock that allocates nothing, as a number that is returned would. */
let readClock: () => void;
const clock = new Float64Array(1);
let stolen: Stolen;
let writer: RealtimeFifoWriter<Fields> | undefined;
const record = { at: 0, value: 0 };
/** Of a round: see StoppedReport. */
const worst = { wallNs: 0, ownNs: 0, gapNs: 0, long: 0, stolen: 0 };

function begin({ fifo, column }: Shared): void {
  writer = openRealtimeFifo(fifo);
  readClock = native().clock.create(clock, 0, MONOTONIC);
  stolen = new Stolen(column);
}

function writeRound(round: number): void {
  worst.wallNs = worst.ownNs = worst.gapNs = worst.long = worst.stolen = 0;
  stolen.look();
  readClock();
  let writesNs = 0;
  for (let i = 0; i < WRITES; i++) {
    const endedNs = clock[0]!;
    record.at = round;
    record.value = i;
    readClock();
    const beganNs = clock[0]!;
    writer!.write(record);
    readClock();
    const wallNs = clock[0]! - beganNs;
    writesNs += wallNs;
    noteWrite(wallNs, wallNs > LONG_NS || beganNs - endedNs > LONG_NS);
  }
  onlyReadClock(writesNs);
}

function noteWrite(wallNs: number, isLong: boolean): void {
  const isStolen = isLong && stolen.look();
  if (wallNs > worst.wallNs) worst.wallNs = wallNs;
  if (!isStolen && wallNs > worst.ownNs) worst.ownNs = wallNs;
  if (wallNs > LONG_NS) worst.long++;
  if (wallNs > LONG_NS && isStolen) worst.stolen++;
  // What the look took is no part of the next piece.
  if (isLong) readClock();
}

function onlyReadClock(forNs: number): void {
  readClock();
  for (let leftNs = forNs; leftNs > 0;) {
    const beganNs = clock[0]!;
    readClock();
    const gapNs = clock[0]! - beganNs;
    leftNs -= gapNs;
    const isStolen = gapNs > LONG_NS && stolen.look();
    if (!isStolen && gapNs > worst.gapNs) worst.gapNs = gapNs;
    if (gapNs > LONG_NS) readClock();
  }
}

export default implementApp(app, {
  tasks: {
    write({ reactor, data }, round) {
      if (writer === undefined) begin(data as Shared);
      writeRound(round);
      reactor.send('round', { ...worst }, { reactor: 'main' });
    },
  },
});

async function main(cpu: number): Promise<void> {
  const column = readFileSync('/proc/interrupts', 'utf8').split('\n')[0]!.trim().split(/ +/).indexOf(`CPU${cpu}`);
  if (column < 0) throw new Error(`/proc/interrupts has no CPU${cpu}`);
  const fifo = createRealtimeFifo({ capacity: WRITES / 2, codec: struct({ at: 'f64', value: 'f64' }) });
  const reader = readRealtimeFifo(fifo);
  let ended = (_worst: typeof worst): void => undefined;
  const running = await startApp(app, {
    entry: new URL(import.meta.url), cpus: [cpu], lowestPriority: PRIORITY, data: { fifo, column },
    main: (runtime) => void runtime.spawn<typeof worst>({ name: 'round' }, (all) => ended(all)),
  });
  clearCore(cpu);
  let read = 0;
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const end = new Promise<typeof worst>((resolve) => { ended = resolve; });
    if (running.spawn('write', round) !== OK) throw new Error(`round ${round} was refused`);
    const seen = await end;
    if (round >= WARM_UP) {
      for (const name of ['wallNs', 'ownNs', 'gapNs'] as const) worst[name] = Math.max(worst[name], seen[name]);
      for (const name of ['long', 'stolen'] as const) worst[name] += seen[name];
    }
    for (const { written } = realtimeFifoStatus(fifo); read < written; read++) {
      const { value } = await reader.next();
      const isRight = value?.at === round && value.value === read % (WRITES / 2);
      if (!isRight) throw new Error(`record ${read} of round ${round} is wrong`);
    }
  }
  const { written, dropped } = realtimeFifoStatus(fifo);
  if (written !== dropped) throw new Error(`${written} written and ${dropped} dropped: half of each round has room`);
  const { isPreemptive } = running.status().cores[0]!;
  const report: StoppedReport = {
    ...worst, count: ROUNDS * WRITES, isFifo: isPreemptive && running.status().levels[0]!.fifoGranted === PRIORITY,
  };
  console.log(JSON.stringify(report));
  await running.close();
}

if (isMainThread) await main((JSON.parse(process.argv[2]!) as { cpu: number }).cpu);
