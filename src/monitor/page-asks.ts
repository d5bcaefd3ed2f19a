/**
 * Bounds that another process asks for: one record after the counters page. The asking process writes it at once; the
 * publisher reads it whenever it writes the page.
 *
 *      percore slo --PageAsk: number, target, bounds, checksum--> page --each everyMs--> setSlo
 *                  <--answeredId, answeredTasks in the head of the page--
 *
 * Two processes that ask at the same time overwrite each other: a torn record fails its checksum, and a process that
 * does not see its number answered writes again.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { PercoreError } from '../errors.js';
import { FIGURE_NAME_BYTES, pageAskLayout, pageLayout } from '../layout.js';
import { openPageFile } from './page-file.js';

/** Whose bounds to set, and which: -1 leaves one as it is, 0 removes it. */
export interface BoundsAsk {
  /** Undefined: all tasks of `band`. */
  readonly task: string | undefined;
  readonly band: number | undefined;
  readonly reactor: number | undefined;
  /** In the order of FIGURES. */
  readonly boundsNs: readonly number[];
}

const field = pageAskLayout.fields;
const { asksAt, answeredId, answeredTasks, everyMs } = pageLayout.fields;
/** The largest bound: histograms go no further. */
export const MOST_BOUND_NS: number = 2 ** 40;
const LEAST_WAIT_MS = 5000;

export function packAsk(id: number, { task, band = -1, reactor = -1, boundsNs }: BoundsAsk): Buffer {
  const bytes = Buffer.alloc(pageAskLayout.bytes);
  bytes.writeDoubleLE(id, field.id.at);
  bytes.writeInt32LE(band, field.band.at);
  bytes.writeInt32LE(reactor, field.reactor.at);
  const name = Buffer.from(task ?? '', 'utf8').subarray(0, FIGURE_NAME_BYTES);
  bytes.writeInt32LE(name.length, field.nameBytes.at);
  name.copy(bytes, field.name.at);
  for (const [kind, ns] of boundsNs.entries()) bytes.writeDoubleLE(ns, field.boundsNs.at + kind * 8);
  bytes.writeInt32LE(checksumOf(bytes), field.checksum.at);
  return bytes;
}

/** The request; undefined if there is no whole one, or if its bounds are invalid. */
export function unpackAsk(bytes: Buffer): (BoundsAsk & { readonly id: number }) | undefined {
  const id = bytes.readDoubleLE(field.id.at);
  if (id === 0 || bytes.readInt32LE(field.checksum.at) !== checksumOf(bytes)) return undefined;
  const nameBytes = Math.max(0, Math.min(FIGURE_NAME_BYTES, bytes.readInt32LE(field.nameBytes.at)));
  const [band, reactor] = [bytes.readInt32LE(field.band.at), bytes.readInt32LE(field.reactor.at)];
  const boundsNs = Array.from({ length: field.boundsNs.count }, (_, kind) =>
    bytes.readDoubleLE(field.boundsNs.at + kind * 8));
  if (!boundsNs.every((ns) => ns === -1 || (Number.isInteger(ns) && ns >= 0 && ns <= MOST_BOUND_NS))) return undefined;
  return {
    id, boundsNs, reactor: reactor < 0 ? undefined : reactor, band: band < 0 ? undefined : band,
    task: nameBytes === 0 ? undefined : bytes.toString('utf8', field.name.at, field.name.at + nameBytes),
  };
}

/** Asks the process of a page; promises for how many tasks bounds were set. Rejects with ERR_PERCORE_SYSTEM. */
export async function askForBounds(path: string, ask: BoundsAsk): Promise<number> {
  const fd = openPageFile(path, 'write');
  try {
    const head = Buffer.alloc(pageLayout.bytes);
    const look = (): void => void readSync(fd, head, 0, head.length, 0);
    look();
    const at = head.readInt32LE(asksAt.at);
    if (at < pageLayout.bytes) throw refused(path, 'its program takes no bounds from outside');
    const id = randomInt(1, 2 ** 47);
    const record = packAsk(id, ask);
    const periodMs = Math.max(10, head.readInt32LE(everyMs.at));
    const endMs = performance.now() + Math.max(LEAST_WAIT_MS, 20 * periodMs);
    for (let round = 0; performance.now() < endMs; round++) {
      // Another may have overwritten it: write again after the page was written twice.
      if (round % 8 === 0) writeSync(fd, record, 0, record.length, at);
      await new Promise((resolve) => setTimeout(resolve, Math.ceil(periodMs / 4)));
      look();
      if (head.readDoubleLE(answeredId.at) === id) return head.readInt32LE(answeredTasks.at);
    }
    throw refused(path, 'its main thread has not answered: it is blocked, or has ended');
  } finally {
    closeSync(fd);
  }
}

/** FNV-1a of everything before it. */
function checksumOf(bytes: Buffer): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < field.checksum.at; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

function refused(path: string, why: string): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_SYSTEM', `no bound was set by the counters page ${path}: ${why}`, { value: path },
  );
}
