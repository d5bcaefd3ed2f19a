/** What a codec in a user's hands says where it is asked to write or read and there is no record. */
import * as types from 'node:util/types';
import { invalidArgument, PercoreError } from '../errors.js';
import type { RecordMemory } from './codec.js';

/** Returns `memory`, or throws where it is none. Costs more than a small record does: codecs keep what they were given last. */
export function checkMemory(memory: RecordMemory): RecordMemory {
  // A Proxy could answer each look in another way, or throw.
  const { words, bytes, view, buffer } = types.isProxy(memory) ? ({} as Partial<RecordMemory>) : (memory ?? {});
  if (words instanceof Int32Array && types.isUint8Array(bytes) && types.isDataView(view) && Buffer.isBuffer(buffer)) return memory;
  throw invalidArgument('memory', memory, 'what recordMemory() returns, or an end of a queue');
}

/** The error for what a codec throws when a value was not measured, or what is read was not written by it. */
function noRecord(what: string, cause: unknown): PercoreError {
  if (cause instanceof PercoreError) return cause;
  return new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', `${what}: ${(cause as Error | undefined)?.message}. Measure a value before it is written, and give it as much room`, { argument: 'at', cause });
}

export const notWritten = (at: number, cause: unknown): PercoreError => noRecord(`this value cannot be written at ${at}`, cause);
export const notRead = (at: number, cause: unknown): PercoreError => noRecord(`no value can be read at ${at}`, cause);
