/**
 * Datagrams over node:dgram, in batches as native/datagram.cc has them: received datagrams wait here until they are
 * asked for, and sending is accepted while few are under way. Sockets are bound at once, since an address in digits
 * needs no look-up.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import { isIP, isIPv6 } from 'node:net';
import { EAGAIN, EINVAL } from '../errno.js';
import { DATAGRAM_BATCH, datagramEntryLayout, MOST_KEPT_PEERS, words } from '../layout.js';
import type { DatagramReceiverHandle, DatagramSenderHandle, NativeDatagrams } from '../native/index.js';
import { ENOSYS, errnoOf, systemError } from './errno.js';
import { ignore, put, READABLE, thingOf, WRITABLE, type OpenThing } from './things.js';

const ENTRY_WORDS = datagramEntryLayout.bytes >> 2;
const { offset: OFFSET, length: LENGTH, peer: PEER, cutBytes: CUT_BYTES } = datagramEntryLayout.fields;
const { CONNECTED, HELD, KEPT } = words.datagramPeer;
/** How much waits to be received, as much as the kernel's usual buffer; anything beyond is dropped and counted. */
const MOST_WAITING_BYTES = 212_992;
/** The kernel counts each datagram as more than its bytes. */
const EACH_BYTES = 512;
/** Datagrams under way with Node, which reports each as sent only in the next pass of the loop. */
const MOST_SENDING = 8 * DATAGRAM_BATCH;

interface Address {
  readonly address: string;
  readonly port: number;
}

class DatagramThing implements OpenThing {
  onChange: (bits: number) => void = ignore;
  drops = 0;
  private readonly waiting: { bytes: Buffer; from: RemoteInfo }[] = [];
  private waitingBytes = 0;
  private sending = 0;
  private isBlocked = false;
  private errno = 0;

  constructor(readonly socket: Socket, private readonly isConnected: boolean) {
    socket.unref();
    socket.on('message', (bytes, from) => {
      if (this.waitingBytes + bytes.length + EACH_BYTES > MOST_WAITING_BYTES) {
        this.drops++;
        return;
      }
      this.waiting.push({ bytes, from });
      this.waitingBytes += bytes.length + EACH_BYTES;
      this.onChange(READABLE);
    });
    socket.on('error', (error) => this.fail(error));
  }

  readiness(): number {
    return (this.waiting.length > 0 || this.errno !== 0 ? READABLE : 0) | (this.sending < MOST_SENDING ? WRITABLE : 0);
  }

  receive(receiver: Receiver, region: Uint8Array, entries: Int32Array, most: number): number {
    if (this.errno !== 0) return -this.takeError();
    const count = Math.min(most, this.waiting.length);
    for (let i = 0; i < count; i++) {
      const { bytes, from } = this.waiting.shift()!;
      const length = Math.min(bytes.length, receiver.slotBytes);
      this.waitingBytes -= bytes.length + EACH_BYTES;
      region.set(length === bytes.length ? bytes : bytes.subarray(0, length), i * receiver.slotBytes);
      receiver.names[i] = from;
      const at = i * ENTRY_WORDS;
      entries[at + (OFFSET.at >> 2)] = i * receiver.slotBytes;
      entries[at + (LENGTH.at >> 2)] = length;
      entries[at + (PEER.at >> 2)] = i;
      entries[at + (CUT_BYTES.at >> 2)] = bytes.length - length;
    }
    return count === 0 ? -EAGAIN : count;
  }

  /** Returns a positive errno and clears it; 0 if there is none. */
  takeError(): number {
    const { errno } = this;
    this.errno = 0;
    return errno;
  }

  /** False: too many are under way. */
  send(bytes: Uint8Array, to: Address | undefined): boolean {
    if (this.sending >= MOST_SENDING) {
      this.isBlocked = true;
      return false;
    }
    this.sending++;
    const sent = (error: Error | null): void => {
      this.sending--;
      if (error !== null) this.fail(error);
      if (!this.isBlocked || this.sending > 0) return;
      this.isBlocked = false;
      this.onChange(WRITABLE);
    };
    if (this.isConnected) this.socket.send(bytes, sent);
    else this.socket.send(bytes, to!.port, to!.address, sent);
    return true;
  }

  close(): void {
    this.onChange = ignore;
    this.socket.close();
  }

  private fail(error: Error): void {
    this.errno = errnoOf(error);
    this.onChange(READABLE);
  }
}

class Receiver {
  readonly names: (Address | undefined)[] = [];

  constructor(readonly slotBytes: number) {}
}

class Sender {
  readonly held: (Address | undefined)[] = [];
  readonly kept: (Address | undefined)[] = [];

  addressAt(peer: number): Address | undefined {
    return peer >= KEPT ? this.kept[peer - KEPT] : peer >= HELD ? this.held[peer - HELD] : undefined;
  }

  /** False if the number is not a datagram socket. */
  put(place: number, address: Address | undefined): boolean {
    if (address === undefined || !(place >= HELD) || place >= KEPT + MOST_KEPT_PEERS) return false;
    if (place >= KEPT) this.kept[place - KEPT] = address;
    else this.held[place - HELD] = address;
    return true;
  }
}

const receiverOf = (handle: DatagramReceiverHandle | undefined): Receiver | undefined => handle as never;
const senderOf = (handle: DatagramSenderHandle): Sender => handle as never;
const ipv6 = (host: string): boolean => isIPv6(host.split('%')[0]!);

export const datagrams: NativeDatagrams = {
  open(host, port, reusePort, broadcast, peerHost, peerPort) {
    if (reusePort) {
      const why = 'the portable backend does not share a port between sockets; let one reactor receive';
      throw systemError('ENOSYS', 'setsockopt', why);
    }
    // Loaded at its first use: few threads have datagrams.
    const socket = process.getBuiltinModule('node:dgram').createSocket({
      type: ipv6(host || peerHost) ? 'udp6' : 'udp4',
      // An address in digits is its own answer, so everything here is done when the call returns.
      lookup: ((name: string, family: number, then: (error: null, address: string, family: number) => void) =>
        then(null, name, family)) as never,
    });
    let refusal: Error | undefined;
    const note = (error: Error): void => {
      refusal ??= error;
    };
    socket.on('error', note);
    if (host !== '') socket.bind({ port, address: host, exclusive: true });
    if (refusal === undefined && peerHost !== '') socket.connect(peerPort, peerHost);
    if (refusal !== undefined) {
      socket.close();
      const { code = 'EIO', syscall = 'bind' } = refusal as NodeJS.ErrnoException;
      throw systemError(code, syscall, `${host}:${port}`);
    }
    socket.off('error', note);
    if (broadcast) socket.setBroadcast(true);
    const fd = put(new DatagramThing(socket, peerHost !== ''));
    return { fd, ...addressOf(socket) };
  },

  createReceiver: (slotBytes) => new Receiver(slotBytes) as unknown as DatagramReceiverHandle,
  createSender: () => new Sender() as unknown as DatagramSenderHandle,

  receive(receiver, fd, region, entries, most) {
    const thing = thingOf(fd);
    return thing instanceof DatagramThing ? thing.receive(receiverOf(receiver)!, region, entries, most) : -EINVAL;
  },

  send(sender, receiver, entries, first, count, fd, region) {
    const thing = thingOf(fd);
    if (!(thing instanceof DatagramThing)) return -EINVAL;
    // The refusal of an earlier datagram: the next call reports it, as the kernel does.
    const errno = thing.takeError();
    if (errno !== 0) return -errno;
    for (let i = first; i < first + count; i++) {
      const at = i * ENTRY_WORDS;
      const peer = entries[at + (PEER.at >> 2)]!;
      const to = peer === CONNECTED ? undefined
        : peer < HELD ? receiverOf(receiver)?.names[peer] : senderOf(sender).addressAt(peer);
      if (to === undefined && peer !== CONNECTED) return i > first ? i - first : -EINVAL;
      const from = entries[at + (OFFSET.at >> 2)]!;
      // A copy, because the outbox begins anew before Node has sent it.
      if (thing.send(region.slice(from, from + entries[at + (LENGTH.at >> 2)]!), to)) continue;
      if (i > first) return i - first;
      datagrams.hold(sender, receiver, entries, first, count);
      return -EAGAIN;
    }
    return count;
  },

  hold(sender, receiver, entries, first, count) {
    for (let i = first; i < first + count; i++) {
      const at = i * ENTRY_WORDS + (PEER.at >> 2);
      const peer = entries[at]!;
      const from = peer < 0 ? undefined
        : peer < HELD ? receiverOf(receiver)?.names[peer] : peer >= KEPT ? senderOf(sender).addressAt(peer) : undefined;
      if (from === undefined) continue;
      senderOf(sender).held[i] = from;
      entries[at] = HELD + i;
    }
  },

  keep: (sender, place, receiver, slot) =>
    (senderOf(sender).put(place, receiverOf(receiver)?.names[slot]) ? 0 : -EINVAL),

  keepAddress(sender, place, address, port) {
    if (port < 0 || isIP(address.split('%')[0]!) === 0) return -EINVAL;
    return senderOf(sender).put(place, { address, port }) ? 0 : -EINVAL;
  },

  addressOf(receiver, slot) {
    const { address, port } = receiverOf(receiver)!.names[slot]!;
    return { address, port };
  },

  drops(fd) {
    const thing = thingOf(fd);
    return thing instanceof DatagramThing ? thing.drops : -ENOSYS;
  },
};

/** Bytes of a socket's buffer as granted, after asking for `bytes`; 0 only reads the size. Or -errno. */
export function bufferBytes(fd: number, isReceive: boolean, bytes: number): number {
  const thing = thingOf(fd);
  if (!(thing instanceof DatagramThing)) return -ENOSYS;
  const { socket } = thing;
  try {
    if (bytes > 0 && isReceive) socket.setRecvBufferSize(bytes);
    else if (bytes > 0) socket.setSendBufferSize(bytes);
    return isReceive ? socket.getRecvBufferSize() : socket.getSendBufferSize();
  } catch (error) {
    return -errnoOf(error);
  }
}

function addressOf(socket: Socket): { address: string; port: number } {
  try {
    const { address, port } = socket.address();
    return { address, port };
  } catch {
    return { address: '', port: 0 };
  }
}
