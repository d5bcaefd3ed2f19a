/** The work on a line, the same in all programs: figures of the key, CRC-32 of the payload, one result line of text. */
import { crc32 } from 'node:zlib';
import { KeyTable } from '../../../examples/load-balancer/key-table.js';
import { formatResult } from '../../../examples/load-balancer/result-format.js';

export class LineWork {
  private readonly keys = new KeyTable();

  constructor(private readonly worker: number) {}

  /**
   * Writes the result of one line to `out` at `at`, where `maxResultBytes` are free, and returns the offset behind it.
   */
  work(
    bytes: Uint8Array, band: number, keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number,
    seq: number, hash: number, out: Uint8Array, at: number,
  ): number {
    const count = this.keys.touch(bytes, keyStart, keyEnd, hash | 0, payloadEnd - payloadStart);
    const crc = crc32(bytes.subarray(payloadStart, payloadEnd));
    return formatResult(out, at, seq, this.worker, band, bytes, keyStart, keyEnd, count, crc);
  }
}
