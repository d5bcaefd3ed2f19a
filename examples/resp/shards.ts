/**
 * The other reactors, as places where keys live.
 *
 *     reactor A                                        reactor B
 *     session -> request() -> outbox == lane ==> FrameReader -> command on B's keys
 *     session <- receive() <- FrameReader <== return lane == outbox <- reply
 *
 * A lane keeps its order, and B answers in the order of the requests, so A needs no numbers: a queue of those who wait,
 * one for each reactor, says whose reply it is. Replies take the return lanes and are always taken, so that two
 * reactors can never wait for each other; requests stay in their lane while the replies to them find no room.
 */
import { BACK_PRESSURED, OK, type ByteRecord, type Reactor } from 'percore';
import type { Arguments } from './arguments.js';
import { FrameArguments, FrameReader, Outbox } from './frames.js';
import { failReceiver, type Receiver } from './reply-queue.js';
import { ReplyWriter } from './reply-writer.js';
import { WaitQueue } from './wait-queue.js';

/** Above the connections, which read in band 3: what has been accepted is finished before more is. */
const BAND = 4;
const DIED = Uint8Array.from('-ERR the reactor of this key has died\r\n', (character) => character.charCodeAt(0));

/** Runs a command of another reactor's client. Throws nothing. */
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
  private readonly writer: ReplyWriter;

  constructor(
    reactor: Reactor,
    private readonly execute: Execute,
    private readonly afterStep: () => void,
    private readonly describe: (error: unknown) => string,
    replyBytes: number,
  ) {
    this.writer = new ReplyWriter(undefined, replyBytes);
    this.peers = Array.from({ length: reactor.reactors }, (_, id) =>
      id === reactor.id ? undefined : this.makePeer(reactor, id),
    );
    reactor.spawnBytes({ name: 'resp requests', priority: BAND }, (record) => this.onRequests(record));
    reactor.spawnBytes({ name: 'resp replies', priority: BAND }, (record) => this.onReplies(record));
  }

  /** Sends a command there; its reply comes to `receiver` in a later step. The arguments are copied. */
  request(owner: number, command: number, args: Arguments, receiver: Receiver): void {
    const { requests, waiting } = this.peers[owner]!;
    if (requests.isClosed) return receiver.receive(DIED, 0, DIED.length);
    try {
      requests.request(command, args);
    } catch (error) {
      // No room for the arguments: nothing was sent.
      return failReceiver(receiver, this.describe(error));
    }
    // Only now: a receiver of a request that was not sent would get the reply to the next one.
    waiting.push(receiver);
  }

  /** True when the outbox to this reactor is full. Add nothing before `whenRoom` calls back. */
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

  /** That reactor has died: every receiver that waits for it gets an error. */
  noteDeath(id: number): void {
    this.peers[id]?.requests.close();
    this.peers[id]?.replies.close();
  }

  private makePeer(reactor: Reactor, id: number): Peer {
    const waiting = new WaitQueue<Receiver>();
    const requests = new Outbox(reactor.address('resp requests', { reactor: id, priority: BAND }), () => {
      for (let receiver = waiting.shift(); receiver !== undefined; receiver = waiting.shift()) {
        receiver.receive(DIED, 0, DIED.length);
      }
    });
    const replies = new Outbox(
      reactor.address('resp replies', { reactor: id, priority: BAND, isReturn: true }),
      () => undefined,
    );
    const requestReader = new FrameReader(
      (bytes, view, at) => {
        this.args.read(bytes, view, at);
        const { writer } = this;
        this.execute(this.args.command, this.args, writer);
        try {
          replies.reply(writer.bytes, writer.length);
        } catch (error) {
          // The reactor that asked counts the replies, so there must be one.
          writer.abort(this.describe(error));
          replies.reply(writer.bytes, writer.length);
        }
        writer.clear();
      },
      () => {
        if (replies.isFull) replies.flush();
        return !replies.isFull;
      },
    );
    const replyReader = new FrameReader(
      (bytes, _view, at, length) => waiting.shift()?.receive(bytes, at + 4, at + length),
      () => true,
    );
    return { requests, replies, waiting, requestReader, replyReader };
  }

  private onRequests(record: ByteRecord): number {
    const { requestReader, replies } = this.peers[record.from]!;
    const isDone = this.readOrDie(requestReader, record);
    replies.flush();
    this.afterStep();
    return isDone ? OK : BACK_PRESSURED;
  }

  private onReplies(record: ByteRecord): void {
    this.readOrDie(this.peers[record.from]!.replyReader, record);
    // A reply may have let a session go on that had waited.
    this.flush();
  }

  /**
   * Frames that could not be read leave replies without their requests, and then one client would get what another has
   * asked for. Rather than that this reactor dies: its clients are disconnected, and those of the others get an error
   * for its keys. It takes memory so short that not even a frame fits.
   */
  private readOrDie(reader: FrameReader, record: ByteRecord): boolean {
    try {
      return reader.read(record.bytes, record.view, record.offset, record.length);
    } catch (error) {
      process.stderr.write(`the stream between two reactors is broken: ${(error as Error).stack ?? String(error)}\n`);
      process.exit(1);
    }
  }
}
