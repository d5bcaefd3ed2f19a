/**
 * A bucket's move under the explorer: the shipped table of buckets, senders that count before they look, and an owner
 * that lets the bucket go when nothing is missing. A lane is a word that counts what was sent through it.
 *
 * Demanded: whatever a sender has sent to the old owner is run by it before the bucket goes.
 */
import type * as Table from '../../src/balance/table.js';
import { VirtualMemory } from '../../src/testing/virtual-memory.js';
import { explore, type Report, type VirtualThread } from '../../src/testing/explorer.js';
import { assert, sow, type Seed } from './world.js';

/** The table of a world with eight slots: each state of the exploration keeps a copy of all memory. */
const SLOTS = 8;
const SMALL: readonly [file: string, from: string, to: string][] = [
  ['layout-limits.js', 'BUCKETS = 1024', `BUCKETS = ${SLOTS}`],
  ['layout-limits.js', 'STAGES = 8', 'STAGES = 1'],
  ['layout-reactor.js', 'at: 32768', 'at: 128'],
  ['layout-reactor.js', 'at: 40960', 'at: 256'],
  ['layout-reactor.js', 'at: 41088', 'at: 384'],
  ['layout-reactor.js', 'at: 41216', 'at: 512'],
  ['layout-reactor.js', 'bytes: 41344', 'bytes: 640'],
  ['layout-reactor.js', 'count: 1024, writes: \'owner\'', `count: ${SLOTS}, writes: 'owner'`],
];
const SLOTS_BYTES = 256;
const BUCKETS_BYTES = 640;
const SLOT = 4;
/** The old owner, the new one, and the main thread. */
const OLD = 0;
const NEW = 1;
const PARTIES = 3;

export interface BucketScenario {
  /** Parties that send, and how many messages each. */
  readonly senders: readonly (readonly [party: number, messages: number])[];
  readonly seeds?: readonly Seed[];
}

function shrink(text: string, url: string): string {
  for (const [file, from, to] of SMALL) {
    if (!url.endsWith(`/${file}`)) continue;
    if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
    text = text.replace(from, to);
  }
  return text;
}

export function bucketMove({ senders, seeds = [] }: BucketScenario): Report {
  const memory = new VirtualMemory();
  const url = new URL('../../modules/balance/table.js', import.meta.url);
  const { BucketTable } = memory.load<typeof Table>(url, (text, of) => sow(shrink(text, of), of, seeds).text);
  const { Atomics, Int32Array, SharedArrayBuffer } = memory.globals;
  const shared = {
    reactors: PARTIES - 1,
    slots: new SharedArrayBuffer(SLOTS_BYTES),
    buckets: Array.from({ length: PARTIES }, () => new SharedArrayBuffer(BUCKETS_BYTES + PARTIES * SLOTS * 4)),
  } as unknown as ConstructorParameters<typeof Table.BucketTable>[0];
  memory.name(shared.slots, 'slots');
  for (const [party, ofParty] of shared.buckets.entries()) memory.name(ofParty, `buckets${party}`);
  const tableOf = (party: number): Table.BucketTable => new BucketTable(shared, party);
  // What lies in the lanes to the old owner, and whether the bucket has gone.
  const lanes = new Int32Array(new SharedArrayBuffer(4 * (PARTIES + 1)));
  memory.name(lanes.buffer as SharedArrayBuffer, 'lanes');
  const GONE = PARTIES;

  const sending = senders.map(([party, messages]): VirtualThread => {
    const table = tableOf(party);
    const my = { left: messages, entered: false };
    return {
      name: `sender${party}`, owns: [my],
      step() {
        if (my.left === 0) return 'done';
        const owner = table.enter(SLOT);
        if (owner < 0) table.leave(SLOT);
        if (owner === OLD) {
          assert(Atomics.load(lanes, GONE) === 0, () => `party ${party} sends to the old owner after the bucket went`);
          Atomics.add(lanes, party, 1);
        }
        my.left--;
      },
    };
  });

  const mover = { isDone: false };
  const moverTable = tableOf(PARTIES - 1);
  const owner = { taken: Array.from({ length: PARTIES }, () => 0), isDone: false };
  const table = tableOf(OLD);
  const { taken } = table.figures[OLD]!;
  return explore({
    memory,
    threads: [
      ...sending,
      {
        name: 'mover', owns: [mover],
        step() {
          if (mover.isDone) return 'done';
          moverTable.begin(SLOT, 0, NEW);
          mover.isDone = true;
        },
      },
      {
        name: 'old owner', owns: [owner], mayWait: true,
        step() {
          if (owner.isDone) return 'done';
          const word = table.word(SLOT);
          if (word === 0) return 'wait';
          for (const [party] of senders) {
            const sent = Atomics.load(lanes, party);
            taken[party * SLOTS + SLOT] = sent;
          }
          if (senders.some(([party]) => table.missing(party, SLOT) !== 0)) return 'wait';
          Atomics.store(lanes, GONE, 1);
          table.settle(SLOT, word, NEW);
          owner.isDone = true;
        },
      },
    ],
    atEnd() {
      assert(owner.isDone, () => 'the bucket never goes');
      for (const [party] of senders) {
        const left = Atomics.load(lanes, party) - taken[party * SLOTS + SLOT]!;
        assert(left === 0, () => `${left} messages of party ${party} lie with the old owner`);
      }
    },
  });
}
