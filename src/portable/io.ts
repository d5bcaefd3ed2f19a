/** The groups of I/O: sources, drivers and what all sockets share, over the things of this thread. */
import { EBADF } from '../errno.js';
import { ioBlockLayout } from '../layout.js';
import type { IoDriverHandle, IoHandle, NativeDrivers, NativeSockets, NativeSources } from '../native/index.js';
import { bufferBytes } from './datagram-thing.js';
import { FileThing } from './descriptor-things.js';
import { ENOSYS, errnoNamed } from './errno.js';
import { LoopGuest } from './loop-guest.js';
import { SocketThing } from './socket-thing.js';
import { LoopSource } from './source.js';
import { READABLE, thingOf, type OpenThing } from './things.js';
import { isWaker, ringsOf, sleep } from './wakers.js';

const HAS_MORE = ioBlockLayout.fields.hasMore.at >> 2;
const sourceOf = (io: IoHandle): LoopSource => io as unknown as LoopSource;

/** A waker as something that is readable whenever it has been rung. Closing this does not close the waker. */
class WakerThing implements OpenThing {
  private change: (bits: number) => void = () => undefined;
  private isWatched = false;

  constructor(private readonly number: number) {}

  get onChange(): (bits: number) => void {
    return this.change;
  }

  set onChange(change: (bits: number) => void) {
    this.change = change;
    if (this.isWatched) return;
    this.isWatched = true;
    this.wait(ringsOf(this.number));
  }

  readiness(): number {
    return 0;
  }

  close(): void {
    this.change = () => undefined;
  }

  private wait(seen: number): void {
    sleep(this.number, seen, () => {
      const rings = ringsOf(this.number);
      if (rings !== seen) this.change(READABLE);
      if (isWaker(this.number)) this.wait(rings);
    });
  }
}

export const sources: NativeSources = {
  add(io, fd, token, interest) {
    const thing = thingOf(fd) ?? (isWaker(fd) ? new WakerThing(fd) : undefined);
    // A descriptor that another library has opened cannot be watched.
    if (thing === undefined) return -ENOSYS;
    if (thing instanceof FileThing) return -errnoNamed('EPERM');
    sourceOf(io).add(fd, token, thing, interest);
    return 0;
  },
  modify: (io, _fd, token, interest) => (sourceOf(io).modify(token, interest) ? 0 : -errnoNamed('ENOENT')),
  remove: (io, _fd, token) => sourceOf(io).remove(token),
  open(io, fd, token, kind) {
    const thing = thingOf(fd);
    if (thing === undefined) return -EBADF;
    sourceOf(io).open(fd, token, kind, thing);
    return 0;
  },
  detach: (io, token) => sourceOf(io).remove(token),
  send: (io, token, bytes, offset, length) => sourceOf(io).send(token, bytes, offset, length),
  knock: (io) => sourceOf(io).knock(),
  drain: (io) => sourceOf(io).drain(),
};

/** I/O that the loop of this thread drives. */
class LoopIo {
  readonly source: LoopSource;
  readonly guest: LoopGuest = new LoopGuest(() => this.pass());

  constructor(
    private readonly block: Int32Array, pool: Uint8Array, outbox: Uint8Array, counters: Float64Array,
    private readonly deliver: () => void,
  ) {
    this.source = new LoopSource(block, pool, outbox, counters, () => this.guest.knock());
  }

  close(): void {
    this.guest.close();
    this.source.close();
  }

  private pass(): boolean {
    const { source, block } = this;
    if (source.poll() || block[HAS_MORE] !== 0) this.deliver();
    source.drain();
    // Promises of this turn run before the next.
    return !this.guest.isClosed && (block[HAS_MORE] !== 0 || source.hasMore);
  }
}

const driverOf = (handle: IoDriverHandle): LoopIo => handle as unknown as LoopIo;

export const drivers: NativeDrivers = {
  create(isUring, block, pool, outbox, counters, deliver) {
    // Nobody can wait for a socket of Node's without running its loop.
    if (isUring || deliver === undefined) return -ENOSYS;
    const driver = new LoopIo(block, pool, outbox, counters, deliver);
    return { driver: driver as unknown as IoDriverHandle, io: driver.source as unknown as IoHandle };
  },
  poll: () => undefined,
  setReferenced: (driver, isReferenced) => driverOf(driver).guest.setReferenced(isReferenced),
  close: (driver) => driverOf(driver).close(),
};

export const sockets: NativeSockets = {
  // A connection cannot be taken out of Node's loop and given to another thread.
  ownStream: () => -ENOSYS,
  cookie: () => -ENOSYS,
  take: () => -ENOSYS,
  error(fd) {
    const thing = thingOf(fd);
    return thing instanceof SocketThing ? thing.takeError() : 0;
  },
  peerName(fd) {
    const thing = thingOf(fd);
    return thing instanceof SocketThing ? thing.peerName() : '';
  },
  buffer: bufferBytes,
};
