/**
 * The work on a line, which is the same in all programs: figures of the key, the CRC-32 of the payload, one result line
 * of text, and as much arithmetic as --work-us says.
 */
import { crc32 } from 'node:zlib';
import { Arithmetic } from '../../../examples/load-balancer/arithmetic.js';
import { KeyTable } from '../../../examples/load-balancer/key-table.js';
import { formatResult } from '../../../examples/load-balancer/result-format.js';

export class LineWork {
  private readonly keys = new KeyTable();
  private readonly arithmetic: Arithmetic;

  constructor(private readonly worker: number, workSteps: number) {
    this.arithmetic = new Arithmetic(workSteps);
  }

  /**
   * Writes the result of one line to `out` at `at`, where `maxResultBytes` must be free. Returns the offset after it.
   */
  work(
    bytes: Uint8Array, band: number, keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number,
    seq: number, hash: number, out: Uint8Array, at: number,
  ): number {
    const count = this.keys.touch(bytes, keyStart, keyEnd, hash | 0, payloadEnd - payloadStart);
    const crc = crc32(bytes.subarray(payloadStart, payloadEnd));
    this.arithmetic.run();
    return formatResult(out, at, seq, this.worker, band, bytes, keyStart, keyEnd, count, crc);
  }
}
