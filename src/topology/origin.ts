/**
 * Who makes an identifier, if nobody says so: 32 bits of the process and 16 bits of the thread.
 *
 * Node numbers the threads of a process and uses no number twice, so two reactors never share an origin, nor does a
 * reactor that was started again share it with its predecessor. A process is identified by its machine's boot, the name
 * of the machine, its namespace of processes, its number there and the moment of its start. With 32 bits of a hash of
 * these, two processes have one chance in four thousand million to look alike. If that is too much, give origins.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import { startTicksOf } from '../process-start.js';
import { hashKey } from '../reactor/index.js';

const MOST_THREADS = 2 ** 16;

let own: bigint | undefined;

/** The origin of this thread, the same at each call. Throws ERR_PERCORE_TOO_LARGE from the 65,536th thread on. */
export function ownOrigin(): bigint {
  if (threadId >= MOST_THREADS) {
    throw new PercoreError(
      'ERR_PERCORE_TOO_LARGE',
      `this is thread ${threadId} of its process, and identifiers tell ${MOST_THREADS} threads apart: give an origin`,
      { argument: 'origin', value: threadId },
    );
  }
  return (own ??= (BigInt(processBits()) << 16n) | BigInt(threadId));
}

function processBits(): number {
  const about = [
    readQuietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')),
    readQuietly(() => readFileSync('/proc/sys/kernel/hostname', 'latin1')),
    readQuietly(() => readlinkSync('/proc/self/ns/pid')),
    startTicksOf('self') ?? '',
    process.pid,
  ];
  return hashKey(Buffer.from(about.join('\n')));
}

/** Empty if there is no such file: the rest still distinguishes processes. */
function readQuietly(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
