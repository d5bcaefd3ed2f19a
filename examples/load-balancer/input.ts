/**
 * The reader's half: cuts what arrives into lines, hashes each key, and puts the line into the lane of its owner and
 * band. A lane without room stops the reading of this input, not of others; what was read already waits here, at most
 * one read.
 */
import { CLOSED, bucketOf, hashKey, type Buckets, type Connection, type Reactor } from 'percore';
import type { JobCounters } from './counters.js';
import { LineLane } from './line-record.js';
import type { LineSink, LineSplitterOptions, RejectReason } from './line-rules.js';
import { LineSplitter } from './line-splitter.js';

/** The lanes of one reactor to all owners and bands, shared by its inputs. */
export class LineLanes {
  private readonly lanes: (LineLane | undefined)[] = [];
  private readonly open: LineLane[] = [];
  private openCount = 0;

  constructor(private readonly reactor: Reactor, private readonly counters: JobCounters) {}

  to(owner: number, band: number): LineLane {
    const index = owner * 8 + band;
    return (
      this.lanes[index] ??
      (this.lanes[index] = new LineLane(this.reactor.address('lines', { reactor: owner, priority: band }), (lines) =>
        this.counters.addSent(owner, band, lines),
      ))
    );
  }

  /** Remember to close this lane's record at the end of the read. */
  touch(lane: LineLane): void {
    if (lane.isListed) return;
    lane.isListed = true;
    this.open[this.openCount++] = lane;
  }

  closeAll(): void {
    for (let i = 0; i < this.openCount; i++) {
      const lane = this.open[i]!;
      lane.close();
      lane.isListed = false;
    }
    this.openCount = 0;
  }
}

/** What an input is fed by: a connection, or a file's stream. */
export interface Feed {
  pause(): void;
  resume(): void;
  /** Answers a rejected line; a file has nobody to answer. */
  reject(seq: number, reason: RejectReason): void;
}

export class Input implements LineSink {
  private readonly splitter: LineSplitter;
  /** Bytes `at` to the end were read and wait for room. */
  private rest: Uint8Array | undefined;
  private at = 0;
  private refusing: { whenRoom(then: () => void): void } | undefined;
  private readNs = 0;
  private memory: Uint8Array | undefined;
  private view!: DataView;
  private hasEnded = false;
  private onDone: (() => void) | undefined;

  constructor(
    private readonly reactor: Reactor,
    private readonly lanes: LineLanes,
    private readonly counters: JobCounters,
    private readonly feed: Feed,
    options: LineSplitterOptions,
    /** With --rebalance: who owns a bucket may change at any time. */
    private readonly buckets?: Buckets,
  ) {
    this.splitter = new LineSplitter(this, options);
  }

  /** Takes what was read. The bytes are copied only if they must wait. */
  push(bytes: Uint8Array): void {
    // Told to stop: what comes now was not accepted.
    if (this.hasEnded) return;
    this.counters.bytesIn += bytes.length;
    this.readNs = this.reactor.nowNs();
    if (this.rest !== undefined) {
      // Read although paused: a stream may deliver what it had in hand.
      const joined = new Uint8Array(this.rest.length - this.at + bytes.length);
      joined.set(this.rest.subarray(this.at));
      joined.set(bytes, this.rest.length - this.at);
      this.rest = joined;
      this.at = 0;
      return;
    }
    const at = this.splitter.push(bytes, 0, bytes.length);
    this.lanes.closeAll();
    if (at < bytes.length || this.splitter.isLineHeld) {
      this.rest = bytes.slice(at);
      this.at = 0;
      this.waitForRoom();
    }
  }

  /** No more will come: rejects half a line. `done` is called when all that was read is in the lanes. */
  end(done: () => void): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.onDone = done;
    if (this.rest === undefined) this.finish();
  }

  line(
    bytes: Uint8Array, _lineStart: number, _lineEnd: number, band: number, keyStart: number, keyEnd: number,
    payloadStart: number, payloadEnd: number, seq: number,
  ): boolean {
    if (bytes !== this.memory) {
      this.memory = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const hash = hashKey(bytes, keyStart, keyEnd);
    const owner = this.buckets === undefined ? this.reactor.ownerOfHash(hash) : this.buckets.enter(bucketOf(hash));
    if (owner < 0) {
      this.refusing = { whenRoom: (then) => this.buckets!.whenSettled(bucketOf(hash), then) };
      return false;
    }
    const lane = this.lanes.to(owner, band);
    const code = lane.put(bytes, this.view, keyStart, keyEnd, payloadStart, payloadEnd, seq, hash | 0, this.readNs);
    if (code < 0) {
      this.buckets?.leave(bucketOf(hash));
      if (code !== CLOSED) {
        this.refusing = lane;
        return false;
      }
      this.counters.ownerDied++;
    } else {
      this.lanes.touch(lane);
    }
    this.counters.linesIn++;
    return true;
  }

  rejected(seq: number, reason: RejectReason): void {
    this.counters.linesIn++;
    this.counters.addRejected(reason);
    this.feed.reject(seq, reason);
  }

  private waitForRoom(): void {
    this.feed.pause();
    this.refusing!.whenRoom(() => this.retry());
  }

  private retry(): void {
    const rest = this.rest!;
    this.at = this.splitter.push(rest, this.at, rest.length);
    this.lanes.closeAll();
    if (this.at < rest.length || this.splitter.isLineHeld) {
      this.waitForRoom();
      return;
    }
    this.rest = undefined;
    if (this.hasEnded) this.finish();
    else this.feed.resume();
  }

  private finish(): void {
    // Nothing is held back now, so this rejects at most half a line.
    this.splitter.end();
    this.onDone?.();
  }
}

/** Reads lines from a connection. `done` is called once all it sent is in the lanes. */
export function readConnection(connection: Connection, makeInput: (feed: Feed) => Input, done: () => void): Input {
  const answer = new TextEncoder();
  const input = makeInput({
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    // A peer that does not read its errors gets no more of them once its backlog is full: they are counted all the
    // same.
    reject: (seq, reason) => void connection.offer(answer.encode(`ERR ${seq} ${reason}\n`)),
  });
  connection.onData((bytes) => input.push(bytes));
  connection.onEnd(() => input.end(() => {
    connection.end();
    done();
  }));
  // After a reset half a line is rejected as at an ordinary end, without an answer.
  connection.onClose(() => input.end(done));
  return input;
}
