/**
 * The only file that touches the addon: finds it, loads it on first use, checks the layout handshake, types it. Everything
 * the addon gives stands behind this interface, so that another backend can take its place.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PercoreError } from './errors.js';
import { layoutHash } from './layout-hash.js';

/** A turn attached to this thread's loop. Opaque. */
export type TurnHandle = { readonly turn: unique symbol };
/** I/O that no reactor drives. Opaque. */
export type IoDriverHandle = { readonly ioDriver: unique symbol };
/** The I/O source of a thread. Opaque. */
export type IoHandle = { readonly io: unique symbol };
/** An alarm in this thread's loop. Opaque. */
export type RateTimerHandle = { readonly rateTimer: unique symbol };

/** Headers and addresses of a batch of datagrams, of which one thread receives or sends. Opaque. */
export type DatagramReceiverHandle = { readonly datagramReceiver: unique symbol };
export type DatagramSenderHandle = { readonly datagramSender: unique symbol };

/** One end of a pipe that this thread has opened. Opaque. */
export type PipeEndHandle = { readonly pipeEnd: unique symbol };

export interface TurnOptions {
  /** The whole inbox of this party; a Party block comes first. */
  inbox: Uint8Array;
  delivery: Int32Array;
  timerRequests: Float64Array;
  /** Called once a turn, with the delivery filled. */
  deliver: () => void;
  eventFd: number;
  /** CLOCK_MONOTONIC nanoseconds at the runtime's start. */
  originNs: number;
}

/** A wheel with its two arrays, and its driver if it has one. Opaque. */
export type TimersHandle = { readonly timers: unique symbol };

export interface NativeTimersOptions {
  delivery: Int32Array;
  timerRequests: Float64Array;
  /** A tick is 2^tickBits nanoseconds. */
  tickBits: number;
  expiriesPerTurn: number;
  originNs: number;
  /** Called by this thread's loop when something is due. Left out: nobody drives the wheel but `pollTimers`. */
  deliver?: () => void;
}

/** Calls that return a number answer with it or with a negative errno; the others throw Node-style system errors. */
export interface Native {
  readonly layoutHash: string;
  /** CLOCK_MONOTONIC nanoseconds. */
  nowNs(): number;
  /** A function that writes the nanoseconds since `originNs` to `out[0]`; `clock` is a clockid_t. */
  createClock(out: Float64Array, originNs: number, clock: number): () => void;
  /** Calls `onExpire` at `state[0]`, which is looked at again after it has run. Not referenced while nothing is armed. See native/rate_timer.cc. */
  createRateTimer(isUring: boolean, clock: number, originNs: number, spinNs: number, isAdaptive: boolean, state: Float64Array, onExpire: () => void): RateTimerHandle;
  armRateTimer(timer: RateTimerHandle): number;
  setRateTimerRef(timer: RateTimerHandle, isReferenced: number): void;
  closeRateTimer(timer: RateTimerHandle): void;
  getAffinity(): number[];
  /** Where the calling thread may run; returns the CPUs that the kernel granted. */
  setAffinity(cpus: readonly number[]): number[];
  getTimerSlack(): number;
  /** Nanoseconds, as granted. */
  setTimerSlack(ns: number): number;
  /** The processes that the calling thread starts from now on begin on these CPUs and with this slack. */
  setChildPlace(cpus: readonly number[], timerSlackNs: number): void;
  setThreadName(name: string): void;
  threadId(): number;
  currentCpu(): number;
  /** An eventfd, closed with this thread at the latest. See native/waker.h for these three. */
  createWaker(): number;
  wake(eventFd: number): void;
  closeWaker(eventFd: number): void;
  /** Gives the whole pages of `bytes` from byte `from` on back to the kernel: they read as zeros. 0 or -errno. */
  freshPages(bytes: Uint8Array, from: number): number;
  createTurn(options: TurnOptions): TurnHandle;
  stopTurn(turn: TurnHandle): void;
  setTurnRef(turn: TurnHandle, isReferenced: number): void;
  /** Whether something keeps this thread's loop going. */
  isLoopAlive(): boolean;
  drainTimerRequests(turn: TurnHandle): void;
  shareTimerRecords(turn: TurnHandle, index: number, records: Float64Array): void;
  createTimers(options: NativeTimersOptions): TimersHandle;
  drainTimers(timers: TimersHandle): void;
  shareTimers(timers: TimersHandle, index: number, records: Float64Array): void;
  pollTimers(timers: TimersHandle, nowNs: number): void;
  /** Drains; Infinity when nothing is armed. */
  nextTimer(timers: TimersHandle): number;
  refTimers(timers: TimersHandle, isReferenced: number): void;
  closeTimers(timers: TimersHandle): void;
  /** The turn's I/O source. Its memory, see src/io/io-memory.ts, is used until the turn ends. A negative errno: refused. */
  openIo(turn: TurnHandle, isUring: number, block: Int32Array, pool: Uint8Array, outbox: Uint8Array): IoHandle | number;
  ioAdd(io: IoHandle, fd: number, token: number, interest: number): number;
  ioModify(io: IoHandle, fd: number, token: number, interest: number): number;
  ioRemove(io: IoHandle, fd: number, token: number): void;
  ioOpen(io: IoHandle, fd: number, token: number, kind: number): number;
  ioDetach(io: IoHandle, token: number): void;
  ioSend(io: IoHandle, token: number, bytes: Uint8Array, offset: number, length: number): number;
  ioDrain(io: IoHandle): void;
  /** I/O that no reactor drives: by this thread's loop, which calls `deliver`, or by `pollIo`. A negative errno: refused. */
  createIo(isUring: number, block: Int32Array, pool: Uint8Array, outbox: Uint8Array, deliver: (() => void) | undefined): { driver: IoDriverHandle; io: IoHandle } | number;
  /** Takes what has happened, waiting at most `timeoutMs` for it; -1 for ever. */
  pollIo(driver: IoDriverHandle, timeoutMs: number): void;
  refIo(driver: IoDriverHandle, isReferenced: number): void;
  closeIo(driver: IoDriverHandle): void;
  /** Never the same for two sockets; a negative errno. */
  socketCookie(fd: number): number;
  /** A descriptor of this thread's own for another's socket; -ESTALE when the number is not that socket's any more. */
  takeSocket(fd: number, cookie: number): number;
  /** A ring for this thread's files: its descriptor, readable when something is done, or -errno. */
  openFileRing(): number;
  /** Waits for what is in flight. */
  closeFileRing(ring: number): void;
  /** The array's number in this ring, or -errno. It is kept until released. */
  holdFileBuffer(ring: number, bytes: Uint8Array): number;
  releaseFileBuffer(ring: number, buffer: number): void;
  pushFile(ring: number, isWrite: number, fd: number, buffer: number, offset: number, length: number, position: number, id: number): number;
  submitFiles(ring: number): number;
  /** Writes pairs of id and result (bytes or -errno). */
  reapFiles(ring: number, pairs: Int32Array): number;
  bytesToBorder(bytes: Uint8Array, border: number): number;
  /** O_DIRECT off for an open descriptor. */
  clearDirect(fd: number): number;
  /** Bound, not listening; closed with the thread unless somebody listens on it. */
  tcpBind(host: string, port: number, reusePort: boolean): { id: number; fd: number; port: number };
  /** 1 when nobody had taken what tcpBind called `id`: it is closed now. */
  closeUntaken(id: number): number;
  tcpListen(host: string, port: number, reusePort: boolean, backlog: number): { fd: number; port: number };
  /** `errno` is 0 unless connect(2) failed at once. */
  tcpConnect(host: string, port: number): { fd: number; errno: number };
  socketClose(fd: number): void;
  /** The descriptor belongs to this thread's addon from now on, or to nobody here any more. */
  ownSocket(fd: number): void;
  /** The same for a number that anybody has given: 0, or -errno unless it is a connected stream socket that this thread does not own. */
  ownStream(fd: number): number;
  disownSocket(fd: number): void;
  /** Takes waiting connections by a reserve descriptor and closes them; how many. */
  tcpRefuse(fd: number): number;
  socketError(fd: number): number;
  /** "127.0.0.1:1234", "[::1]:1234", a Unix socket's path, or '' when there is no such peer, or it has no name. */
  peerName(fd: number): string;
  errorName(errno: number): string;
  /** An empty `peerHost` leaves it unconnected. See native/datagram.cc for all of these. */
  udpOpen(host: string, port: number, reusePort: boolean, broadcast: boolean, peerHost: string, peerPort: number): { fd: number; port: number; address: string };
  createDatagramReceiver(slotBytes: number): DatagramReceiverHandle;
  createDatagramSender(): DatagramSenderHandle;
  /** Datagrams received into slots of `region` and told in `entries`, at most `most` (1 to DATAGRAM_BATCH). */
  datagramReceive(receiver: DatagramReceiverHandle, fd: number, region: Uint8Array, entries: Int32Array, most: number): number;
  datagramSend(sender: DatagramSenderHandle, receiver: DatagramReceiverHandle | undefined, entries: Int32Array, first: number, count: number, fd: number, region: Uint8Array): number;
  datagramHold(sender: DatagramSenderHandle, receiver: DatagramReceiverHandle | undefined, entries: Int32Array, first: number, count: number): void;
  /** `place`: a number of words.datagramPeer, HELD + entry or KEPT + index. */
  datagramKeep(sender: DatagramSenderHandle, place: number, receiver: DatagramReceiverHandle, slot: number): number;
  /** `port` -1: a Unix path. */
  datagramKeepAddress(sender: DatagramSenderHandle, place: number, address: string, port: number): number;
  datagramAddress(receiver: DatagramReceiverHandle, slot: number): { address: string; port: number };
  /** Bytes granted; 0 only asks. */
  socketBuffer(fd: number, isReceive: boolean, bytes: number): number;
  socketDrops(fd: number): number;
  /** Replaces the file of a socket that nobody has any more. The file goes with the descriptor. */
  unixListen(path: string, backlog: number): number;
  unixConnect(path: string): number;
  unixDatagram(path: string, peer: string): number;
  openFifo(path: string, isWriter: boolean, keepOpen: boolean): number;
  adoptDescriptor(fd: number): number;
  openStandardInput(): number;
  /** One of `words.descriptorWay`, for the calls below, or -errno. */
  descriptorWay(fd: number): number;
  descriptorRead(fd: number, bytes: Uint8Array, offset: number, length: number, way: number): number;
  descriptorWrite(fd: number, bytes: Uint8Array, offset: number, length: number, way: number): number;
  descriptorEnd(fd: number): number;
  openInotify(): number;
  addWatch(fd: number, path: string, mask: number): number;
  removeWatch(fd: number, watch: number): number;
  /** Makes an anonymous pipe of at least `capacityBytes` if granted (0: the system's default), described in `memory`. The granted bytes or -errno. */
  createPipe(memory: Uint8Array, capacityBytes: number): number;
  /** 0 when there is a FIFO at `path` now; -EEXIST when something else is there. */
  makeFifo(path: string, mode: number): number;
  /** -EALREADY when somebody else has or had this end. `path` is empty for an anonymous pipe. */
  openPipeEnd(memory: Uint8Array, isProducer: boolean, path: string, capacityBytes: number, onReady: () => void): PipeEndHandle | number;
  pipeRead(end: PipeEndHandle, bytes: Uint8Array, offset: number, length: number): number;
  pipeWrite(end: PipeEndHandle, bytes: Uint8Array, offset: number, length: number): number;
  pipeSpace(end: PipeEndHandle): number;
  pipeReopen(end: PipeEndHandle): number;
  pipeWatch(end: PipeEndHandle, isOn: boolean): number;
  closePipeEnd(end: PipeEndHandle): void;
  /** Closes an anonymous pipe's end if nobody has opened it. True when it did. */
  closeUnopenedPipeEnd(memory: Uint8Array, isProducer: boolean): boolean;
  /** Bytes in the pipe to `out[0]`, its capacity to `out[1]`. -EBADF when no end is open in this process. */
  inspectPipe(memory: Uint8Array, out: Float64Array): number;
}

let loaded: Native | undefined;

/** Loads the addon, once in each thread. Throws ERR_PERCORE_NATIVE_UNAVAILABLE or ERR_PERCORE_LAYOUT_MISMATCH. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  const tried: string[] = [];
  let isForbidden = false;
  const named = process.env['PERCORE_NATIVE_PATH'];
  const usual = besideModule(import.meta.url, '../../native/build/Release/percore.node');
  // A relative path is meant from where the program was started, or from the bundle that this module lies in.
  const candidates = named === undefined || named === '' ? [usual] : [resolve(named), isAbsolute(named) ? undefined : besideModule(import.meta.url, named), usual];
  const load = createRequire(pathToFileURL(resolve('percore.js')));
  for (const path of new Set(candidates)) {
    if (path === undefined) continue;
    if (!existsSync(path)) {
      tried.push(`${path}: no such file`);
      continue;
    }
    try {
      return checkLayout(load(path) as Native, path);
    } catch (error) {
      if (error instanceof PercoreError) throw error;
      isForbidden ||= (error as NodeJS.ErrnoException).code === 'ERR_DLOPEN_DISABLED';
      tried.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new PercoreError('ERR_PERCORE_NATIVE_UNAVAILABLE', `the native addon could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. ${isForbidden ? 'This process may not load addons: start Node with --allow-addons, or without --no-addons' : remedy()}. Tried:\n  ${tried.join('\n  ')}`);
}

/** What to do about a missing addon: who works on Percore builds it, who uses it looks at how it was installed or bundled. */
function remedy(): string {
  if (process.platform !== 'linux') return 'Percore runs on Linux alone';
  const folder = besideModule(import.meta.url, '../..');
  if (folder !== undefined && existsSync(join(folder, 'scripts', 'build.mjs'))) return 'Build it with "npm run build" (needs python3, make and g++)';
  if (folder !== undefined && isThisPackage(join(folder, 'package.json'))) {
    return 'The installed package has none for this platform: build one in a checkout of the project ("npm install && npm run build"), and set PERCORE_NATIVE_PATH to its percore.node';
  }
  return 'This code is part of a bundle, into which no addon goes: leave percore out of the bundle (esbuild: --external:percore), or set PERCORE_NATIVE_PATH to the percore.node of the installed package';
}

function isThisPackage(path: string): boolean {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown }).name === 'percore';
  } catch {
    return false;
  }
}

/**
 * A path beside the module that calls, or beside the bundle that it has become part of; undefined where a bundler has left no trace of it.
 * `url` is the module's import.meta.url, which a CommonJS bundle does not have.
 */
export function besideModule(url: string | undefined, relative: string): string | undefined {
  if (url?.startsWith('file:') === true) return fileURLToPath(new URL(relative, url));
  return typeof __dirname === 'string' ? resolve(__dirname, relative) : undefined;
}

function checkLayout(addon: Native, path: string): Native {
  const expected = layoutHash();
  if (addon.layoutHash !== expected) {
    throw new PercoreError('ERR_PERCORE_LAYOUT_MISMATCH', `${path} was built for layout ${addon.layoutHash}, this build of percore has ${expected}. Run "npm run build" to build both together`, {
      value: addon.layoutHash, allowed: expected,
    });
  }
  return addon;
}
