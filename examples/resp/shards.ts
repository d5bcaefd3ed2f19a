/**
 * The other reactors, as places where keys live.
 *
 *     reactor A                                        reactor B
 *     session -> request() -> outbox == lane ==> FrameReader -> command on B's keys
 *     session <- receive() <- FrameReader <== return lane == outbox <- reply
 *
 * A lane keeps its order, and B answers in the order of the requests, so A needs no numbers: a queue of those who wait, one for each reactor,
 * says whose reply it is. Replies take the return lanes and are always taken, so that two reactors can never wait for each other; requests
 * stay in their lane while the replies to them find no room.
 */
import { BACK_PRESSURED, OK, type ByteRecord, type Reactor } from 'percore';
import type { Arguments } from './arguments.js';
import { FrameArguments, FrameReader, Outbox } from './frames.js';
import type { Receiver } from './reply-queue.js';
import { ReplyWriter } from './reply-writer.js';
import { WaitQueue } from './wait-queue.js';

/** Above the connections, which read in band 3: what has been accepted is finished before more is. */
const BAND = 4;
const DIED = Uint8Array.from('-ERR the reactor of this key has died\r\n', (character) => character.charCodeAt(0));

/** Runs a command of another reactor's client. */
export type Execute = (command: number, args: Arguments, reply: ReplyWriter) => void;

interface Peer {
  readonly requests: Outbox;
  readonly replies: Outbox;
  readonly waiting: WaitQueue<Receiver>;
  readonly requestReader: FrameReader;
  readonly replyReader: FrameReader;
}

export class Shards {
  private readonly peers: (Peer | undefined)[];
  private readonly args = new FrameArguments();
  private readonly writer = new ReplyWriter();

  constructor(reactor: Reactor, private readonly execute: Execute, private readonly afterStep: () => void) {
    this.peers = Array.from({ length: reactor.reactors }, (_, id) => (id === reactor.id ? undefined : this.makePeer(reactor, id)));
    reactor.spawnBytes({ name: 'resp requests', priority: BAND }, (record) => this.onRequests(record));
    reactor.spawnBytes({ name: 'resp replies', priority: BAND }, (record) => this.onReplies(record));
  }

  /** Sends a command there; its reply comes to `receiver` in a later step. The arguments are copied. */
  request(owner: number, command: number, args: Arguments, receiver: Receiver): void {
    const { requests, waiting } = this.peers[owner]!;
    if (requests.isClosed) return receiver.receive(DIED, 0, DIED.length);
    waiting.push(receiver);
    requests.request(command, args);
  }

  /** True when so much waits for this reactor that nothing should be added before `whenRoom` calls back. */
  isFull(owner: number): boolean {
    return this.peers[owner]!.requests.isFull;
  }

  /** It has died, and its keys with it. */
  isDead(owner: number): boolean {
    return this.peers[owner]!.requests.isClosed;
  }

  whenRoom(owner: number, then: () => void): void {
    this.peers[owner]!.requests.whenRoom(then);
  }

  /** Hands what was asked to the lanes. At the end of each step. */
  flush(): void {
    for (const peer of this.peers) peer?.requests.flush();
  }

  /** That reactor has died: whoever waits for it is told. */
  noteDeath(id: number): void {
    this.peers[id]?.requests.close();
    this.peers[id]?.replies.close();
  }

  private makePeer(reactor: Reactor, id: number): Peer {
    const waiting = new WaitQueue<Receiver>();
    const requests = new Outbox(reactor.address('resp requests', { reactor: id, priority: BAND }), () => {
      for (let receiver = waiting.shift(); receiver !== undefined; receiver = waiting.shift()) receiver.receive(DIED, 0, DIED.length);
    });
    const replies = new Outbox(reactor.address('resp replies', { reactor: id, priority: BAND, isReturn: true }), () => undefined);
    const requestReader = new FrameReader((bytes, view, at) => {
      this.args.read(bytes, view, at);
      this.execute(this.args.command, this.args, this.writer);
      replies.reply(this.writer.bytes, this.writer.length);
      this.writer.clear();
    }, () => {
      if (replies.isFull) replies.flush();
      return !replies.isFull;
    });
    const replyReader = new FrameReader((bytes, _view, at, length) => waiting.shift()?.receive(bytes, at + 4, at + length), () => true);
    return { requests, replies, waiting, requestReader, replyReader };
  }

  private onRequests(record: ByteRecord): number {
    const { requestReader, replies } = this.peers[record.from]!;
    const isDone = requestReader.read(record.bytes, record.view, record.offset, record.length);
    replies.flush();
    this.afterStep();
    return isDone ? OK : BACK_PRESSURED;
  }

  private onReplies(record: ByteRecord): void {
    this.peers[record.from]!.replyReader.read(record.bytes, record.view, record.offset, record.length);
    // A reply may have let a session go on that had waited.
    this.flush();
  }
}
