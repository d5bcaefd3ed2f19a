/** The task of 21-offload: runs in a thread of the pool. */
import { createHash } from 'node:crypto';
import type { OffloadContext } from 'percore';

export default function hash({ text, rounds }: { text: string; rounds: number }, context: OffloadContext): string {
  let digest = text;
  for (let i = 0; i < rounds && !context.shouldStop(); i++) digest = createHash('sha256').update(digest).digest('hex');
  return digest;
}
