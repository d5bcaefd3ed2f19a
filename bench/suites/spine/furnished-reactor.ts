/** What a reactor has that is in use and not empty, and how the two of a round trip speak. */
import type { Address, ByteRecord, Reactor } from 'percore';

const BANDS = 8;
const TICK_NS = 1_000_000;
const MESSAGE_BYTES = 8;
/** The band of both sides of a round trip. */
export const BAND = 3;

/** What has happened beside the round trips. */
export interface Furniture {
  readonly ticks: number;
  readonly promises: number;
  readonly usePromise: () => void;
}

/** A task and an open lane in every band, a timer that ticks and a socket that listens; and promises to be made. */
export function furnish(reactor: Reactor, peer: number): Furniture {
  const furniture = { ticks: 0, promises: 0, usePromise };
  for (let band = 0; band < BANDS; band++) {
    reactor.spawnBytes({ name: `band-${band}`, priority: band }, () => undefined);
    // Sending by an address makes the lane. After that, the peer's scan looks at all eight lanes in every turn.
    reactor.address(`band-${band}`, { reactor: peer, priority: band });
  }
  reactor.timers.every({ intervalNs: TICK_NS }, () => { furniture.ticks++; });
  reactor.io.listen({ port: 0 }, (connection) => connection.close());
  return furniture;

  function usePromise(): void {
    void Promise.resolve().then(() => { furniture.promises++; });
  }
}

/** Makes this the reactor that answers each question of `peer`, and makes a promise for it. */
export function answerQuestions(reactor: Reactor, peer: number, { usePromise }: Furniture): void {
  const asker = reactor.address('answer', { reactor: peer, priority: BAND });
  reactor.spawnBytes({ name: 'question', priority: BAND }, (record) => {
    usePromise();
    say(asker, ~wordOf(record));
  });
}

export const wordOf = (record: ByteRecord): number => record.words[record.offset >> 2];

/** Sends one number, written where the other side will read it. */
export function say(address: Address, word: number): void {
  const at = address.tryClaim(MESSAGE_BYTES);
  if (at < 0) throw new Error(`one message under way, and no room: code ${at}`);
  address.words[at >> 2] = word;
  address.commit(MESSAGE_BYTES);
}
