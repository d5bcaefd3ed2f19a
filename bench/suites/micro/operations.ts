/**
 * The operations of suite `micro`. Each function does `OPERATIONS` of one kind, on a ring of 8-byte records with both
 * ends in this thread. Whatever else is necessary (releasing what was written, writing what is to be read) is done in
 * batches of 1024, which adds about 1 ns to each operation.
 */
import { createIds } from 'percore';
import { create, pub, sub, type FixedConsumer, type FixedProducer } from 'percore/queues';

export const OPERATIONS = 65_536;
/** After so many operations the ring is emptied or filled. */
const ROUND = 1024;

interface Ring {
  readonly producer: FixedProducer;
  readonly consumer: FixedConsumer;
}

function ring(publishEvery: number): Ring {
  const queue = create({ kind: 'spsc', capacity: 2 * ROUND, recordBytes: 8 });
  return { producer: pub(queue, { publishEvery: { records: publishEvery } }), consumer: sub(queue) };
}

/** Operations that write. After each round the ring is emptied. */
function writing(publishEvery: number, make: (ring: Ring) => (i: number) => void): () => void {
  const both = ring(publishEvery);
  const operation = make(both);
  return () => {
    for (let i = 0; i < OPERATIONS; i += ROUND) {
      for (let j = 0; j < ROUND; j++) operation(j);
      both.producer.flush();
      const ready = both.consumer.available();
      if (ready > 0) both.consumer.release(ready);
    }
  };
}

/** Operations that together read `ROUND` records. Before each round the ring is filled. */
function reading(make: (ring: Ring) => () => void): () => void {
  const both = ring(1);
  const readRound = make(both);
  return () => {
    for (let i = 0; i < OPERATIONS; i += ROUND) {
      both.producer.tryClaim(ROUND);
      both.producer.commit(ROUND);
      readRound();
    }
  };
}

/** Keeps results, so that no compiler removes the work. */
let sum = 0;
const record = new Uint8Array(8);

const claimed = ({ producer }: Ring): ((i: number) => void) => (i) => {
  producer.words[producer.wordOf(producer.tryClaim(1))] = i;
  producer.commit(1);
};

const operations: Readonly<Record<string, () => () => void>> = {
  claim: () => writing(1, ({ producer }) => () => {
    sum += producer.tryClaim(1);
    producer.abort();
  }),
  commit: () => writing(1, claimed),
  'commit-lazy': () => writing(64, claimed),
  offer: () => writing(1, ({ producer }) => (i) => {
    record[0] = i;
    producer.offer(record);
  }),
  'offer-lazy': () => writing(64, ({ producer }) => (i) => {
    record[0] = i;
    producer.offer(record);
  }),
  peek: () => reading(({ consumer }) => () => {
    for (let i = 0; i < ROUND; i++) {
      if (consumer.available(1) > 0) sum = (sum + consumer.words[consumer.wordOf()]) | 0;
      consumer.release(1);
    }
  }),
  poll: () => reading(({ consumer }) => () => {
    for (let copy = consumer.poll(); typeof copy !== 'number'; copy = consumer.poll()) sum += copy[0];
  }),
  drain: () => reading(({ consumer }) => {
    const add = (view: DataView, offset: number): void => { sum = (sum + view.getInt32(offset, true)) | 0; };
    return () => void consumer.drain(add, ROUND);
  }),
  id: () => {
    const ids = createIds();
    let last = 0n;
    return () => {
      for (let i = 0; i < OPERATIONS; i++) last = ids.next();
      sum = (sum + Number(last & 1n)) | 0;
    };
  },
  'id-bytes': () => {
    const ids = createIds();
    const target = new Uint8Array(16);
    return () => {
      for (let i = 0; i < OPERATIONS; i++) ids.nextBytes(target, 0);
      sum = (sum + target[15]!) | 0;
    };
  },
};

export const operationNames: readonly string[] = Object.keys(operations);
/** The same loop with nothing in it but a sum. */
export const EMPTY_LOOP = 'empty loop';

/** The function that does `OPERATIONS` of `name`. */
export function operationsOf(name: string): () => void {
  if (name !== EMPTY_LOOP) return operations[name]();
  return () => {
    for (let i = 0; i < OPERATIONS; i++) sum = (sum + i) | 0;
  };
}
