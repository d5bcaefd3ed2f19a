/**
 * How the handle of a ring reaches another party. Lanes carry no shared memory, but ports of Node do, so the party that
 * has the ring posts it, and says so through the lane:
 *
 *      wants it                                            has it
 *      awaits parcel 5 on its own channel
 *      call percore:ring { ring, channel, parcel: 5 } ---> looks it up, posts { parcel: 5, queue } to that channel
 *      the parcel comes, by a port of Node            <--- answers
 *
 * It costs some tens of microseconds, once for each cursor. A party that dies rejects the call, so nobody waits for
 * ever.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { invalidArgument } from '../errors.js';
import type { Queue } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import { partyOf } from '../reactor/internal.js';

/** The name by which a ring is asked for. */
const RING = 'percore:ring';

interface Wanted {
  readonly ring: string;
  readonly channel: string;
  readonly parcel: number;
}
interface Parcel {
  readonly parcel: number;
  readonly queue: Queue;
}

/** The end of one party. */
export class RingPassing {
  readonly #reactor: Reactor;
  readonly #channelName: string;
  readonly #awaited = new Map<number, (queue: Queue) => void>();
  #channel: BroadcastChannel | undefined;
  #parcels = 0;

  /** `find` returns a ring of this party, or throws. */
  constructor(reactor: Reactor, find: (ring: string) => Queue) {
    this.#reactor = reactor;
    const { id, shared } = partyOf(reactor);
    // Belongs to this runtime alone: a process may have several.
    this.#channelName = `percore:ring ${shared.originNs} ${shared.eventFds.join(' ')} ${id}`;
    reactor.handle(RING, (wanted: Wanted) => post(find, wanted));
  }

  /** The ring of another party. Rejects as the call does. */
  async fetch(ring: string, of: number | 'main'): Promise<Queue> {
    this.#channel ??= this.#open();
    const parcel = ++this.#parcels;
    const coming = new Promise<Queue>((resolve) => this.#awaited.set(parcel, resolve));
    const wanted: Wanted = { ring, channel: this.#channelName, parcel };
    try {
      await this.#reactor.call(RING, wanted, { reactor: of, priority: 7 });
      return await coming;
    } finally {
      this.#awaited.delete(parcel);
      if (this.#awaited.size === 0) this.#close();
    }
  }

  #close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  #open(): BroadcastChannel {
    const channel = new BroadcastChannel(this.#channelName);
    channel.onmessage = (event) => {
      const { parcel, queue } = (event as { data: Parcel }).data;
      this.#awaited.get(parcel)?.(queue);
    };
    channel.unref();
    return channel;
  }
}

function post(find: (ring: string) => Queue, { ring, channel, parcel }: Wanted): void {
  if (typeof ring !== 'string') throw invalidArgument('ring', ring, 'the name of a ring');
  const queue = find(ring);
  const port = new BroadcastChannel(channel);
  port.postMessage({ parcel, queue } satisfies Parcel);
  port.close();
}
