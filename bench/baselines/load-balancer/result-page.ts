/**
 * Gathers result lines until it pays to write them. A page that was emitted is not touched again, since the sockets
 * still hold it.
 */
import { maxResultBytes } from '../../../examples/load-balancer/result-format.js';

const PAGE_BYTES = 65_536;

export class ResultPage {
  bytes: Buffer = Buffer.allocUnsafeSlow(PAGE_BYTES);
  at = 0;
  private first = 0;

  constructor(private readonly emit: (results: Uint8Array) => void) {}

  /** Makes room for one result with a key of this length. */
  reserve(keyLength: number): void {
    const needed = maxResultBytes(keyLength);
    if (this.at + needed <= this.bytes.length) return;
    this.flush();
    this.bytes = Buffer.allocUnsafeSlow(Math.max(PAGE_BYTES, needed));
    this.at = this.first = 0;
  }

  /** Emits what was written since the last call. */
  flush(): void {
    if (this.at === this.first) return;
    this.emit(this.bytes.subarray(this.first, this.at));
    this.first = this.at;
  }
}
