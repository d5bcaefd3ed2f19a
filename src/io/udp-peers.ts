/**
 * Who a datagram goes to, as the number in native code's entry. There are four ways to name a peer:
 *
 *      CONNECTED      -1           the peer of a connected socket
 *      received       0 and above  generation * 64 + slot of the batch that is being delivered (udp-batch.ts)
 *      kept           -2 and below an address that `keep` has put by, good until `forget`
 *      an address     { host, port } or { path }: written into the outbox with the datagram
 */
import { checkInteger, checkText, invalidArgument, PercoreError } from '../errors.js';
import { DATAGRAM_BATCH, MOST_KEPT_PEERS, words } from '../layout.js';
import type { NativeDatagrams } from '../native.js';
import { internetHost } from './internet-host.js';
import type { BatchPool, ReceiveBatch } from './udp-batch.js';
import { Outbox } from './udp-outbox.js';
import { checkUnixPath } from './unix-path.js';

/**
 * The socket that a received datagram came from; `send` takes it as a target. The path of a Unix socket without a name
 * is ''.
 */
export type DatagramAddress = { address: string; port: number } | { path: string };
/** The socket that `send` sends to. A host is an IPv4 or IPv6 address, or 'localhost'; a port is 1 to 65,535. */
export type DatagramTarget = DatagramAddress | { host: string; port: number };

const { CONNECTED } = words.datagramPeer;
const LOOPBACK = '127.0.0.1';

export class DatagramPeers {
  private readonly freeKept: number[] = [];
  /** Whether the kept peer with this index is valid. */
  private readonly isKept: boolean[] = [];

  constructor(
    private readonly datagrams: NativeDatagrams, private readonly pool: BatchPool,
    private readonly isUnix: boolean, private readonly isConnected: boolean,
  ) {}

  /**
   * The word of the entry for a peer's number. `own` is the batch of the socket that is just delivering, whose slots
   * last until what it sends has left. For any other socket, and when nothing can be sent now, the address is copied.
   */
  placeOf(peer: number, outbox: Outbox, own: ReceiveBatch | undefined): number {
    if (peer === CONNECTED) {
      if (!this.isConnected) {
        throw invalidArgument('peer', undefined, 'a peer or an address, since this socket is not connected');
      }
      return CONNECTED;
    }
    // NaN and fractions are nobody's number.
    if (!Number.isInteger(peer)) throw invalidArgument('peer', peer, 'a whole number that stands for a peer');
    if (peer < CONNECTED) return Outbox.keptPlace(this.keptIndex(peer));
    const batch = this.batchOf(peer);
    const slot = peer % DATAGRAM_BATCH;
    if (batch === own) return slot;
    const place = outbox.nextPlace;
    this.datagrams.keep(outbox.handle, place, batch.handle, slot);
    return place;
  }

  placeOfAddress(to: DatagramTarget, outbox: Outbox): number {
    const place = outbox.nextPlace;
    this.writeAddress(outbox, place, to);
    return place;
  }

  addressOf(peer: number): DatagramAddress {
    const from = this.datagrams.addressOf(this.batchOf(peer).handle, peer % DATAGRAM_BATCH);
    return this.isUnix ? { path: from.address } : from;
  }

  keep(peer: number | DatagramTarget, outbox: Outbox): number {
    const batch = typeof peer === 'number' ? this.batchOf(peer) : undefined;
    if (this.freeKept.length === 0 && this.isKept.length === MOST_KEPT_PEERS) {
      const text = `this socket keeps ${MOST_KEPT_PEERS} peers already; forget some`;
      throw new PercoreError('ERR_PERCORE_TOO_LARGE', text);
    }
    const index = this.freeKept.pop() ?? this.isKept.push(false) - 1;
    const place = Outbox.keptPlace(index);
    if (batch !== undefined) this.datagrams.keep(outbox.handle, place, batch.handle, (peer as number) % DATAGRAM_BATCH);
    else {
      try {
        this.writeAddress(outbox, place, peer as DatagramTarget);
      } catch (error) {
        this.freeKept.push(index);
        throw error;
      }
    }
    this.isKept[index] = true;
    return -2 - index;
  }

  /** `holdWaiting` copies the addresses of what waits into the outbox, before the number is given to another peer. */
  forget(peer: number, holdWaiting: () => void): void {
    const index = this.keptIndex(peer);
    holdWaiting();
    this.isKept[index] = false;
    this.freeKept.push(index);
  }

  private writeAddress(outbox: Outbox, place: number, to: DatagramTarget): void {
    const { datagrams, isUnix } = this;
    if (typeof to !== 'object' || to === null) {
      throw invalidArgument('to', to, isUnix ? "a peer's number or { path }" : "a peer's number or { host, port }");
    }
    if (isUnix) {
      const path = checkText('path', (to as { path?: string }).path);
      if (datagrams.keepAddress(outbox.handle, place, path, -1) !== 0) checkUnixPath('path', path);
      return;
    }
    const { host, address, port } = to as { host?: string; address?: string; port?: number };
    const text = checkText('host', host ?? address);
    checkInteger('port', port, 1, 65_535);
    if (datagrams.keepAddress(outbox.handle, place, text === 'localhost' ? LOOPBACK : text, port!) === 0) return;
    internetHost('host', text);
    throw invalidArgument('host', text, 'an address whose zone (after "%") is a network interface here');
  }

  private keptIndex(peer: number): number {
    const index = typeof peer === 'number' ? -2 - peer : NaN;
    if (this.isKept[index] !== true) throw invalidArgument('peer', peer, 'a number from keep() that was not forgotten');
    return index;
  }

  private batchOf(peer: number): ReceiveBatch {
    const { current } = this.pool;
    const generation = Number.isInteger(peer) ? Math.floor(peer / DATAGRAM_BATCH) : NaN;
    if (current !== undefined && generation === current.generation) return current;
    const allowed = 'the peer of a datagram that is being delivered; keep(peer) gives one that lasts';
    throw invalidArgument('peer', peer, allowed);
  }
}
