/**
 * The receiving side of `thread-stream`. It gets text, finds the messages in it, checks the number and the length of
 * each, and keeps the time.
 */
import { EventEmitter } from 'node:events';
import { pinThisThread } from '../../cpus.js';
import { DIGITS, figures, type ThreadStreamWorkerData } from './thread-stream.js';

const WARMUP_MS = 400;
const MEASURE_MS = 500;

class Destination extends EventEmitter {
  private readonly result: Float64Array;
  private readonly lengths: Int32Array;
  /** The text of a message whose end has not come yet. */
  private rest = '';
  private readonly bornMs = performance.now();
  private startMs = 0;
  private before = 0;

  constructor({ shared, lengths }: ThreadStreamWorkerData) {
    super();
    this.result = new Float64Array(shared);
    this.lengths = lengths;
  }

  write(chunk: string): boolean {
    const { result, lengths } = this;
    const text = this.rest + chunk;
    let received = result[figures.received];
    let wrong = 0;
    let at = 0;
    for (;;) {
      const number = received % lengths.length;
      const end = at + lengths[number];
      if (end > text.length) break;
      let said = 0;
      for (let i = at; i < at + DIGITS; i++) said = said * 10 + text.charCodeAt(i) - 48;
      if (said !== number || text.charCodeAt(end - 1) !== 46) wrong++;
      at = end;
      received++;
    }
    this.rest = text.slice(at);
    result[figures.received] = received;
    result[figures.wrong] += wrong;
    this.keepTime(received);
    return true;
  }

  end(): void {
    if (this.rest !== '') this.result[figures.wrong]++;
    this.emit('close');
  }

  private keepTime(received: number): void {
    const { result } = this;
    const nowMs = performance.now();
    if (this.startMs === 0) {
      if (nowMs - this.bornMs < WARMUP_MS) return;
      this.startMs = nowMs;
      this.before = received;
    } else if (result[figures.isEnough] === 0 && nowMs - this.startMs >= MEASURE_MS) {
      result[figures.messages] = received - this.before;
      result[figures.seconds] = (nowMs - this.startMs) / 1000;
      result[figures.isEnough] = 1;
    }
  }
}

export default function open(data: ThreadStreamWorkerData): Destination {
  pinThisThread(data.consumer);
  return new Destination(data);
}
