/** The contents of messages for npm's queues, in words of 32 bits; see ../../queues/messages.ts. */
import { SALT } from '../../queues/messages.js';

/** Messages of 8 bytes have two words, those of 64 sixteen. */
export type WordsOf = 2 | 16;

/** Writes `count` messages from `sequence` on into `words`. */
export function write(words: Int32Array, perMessage: WordsOf, sequence: number, count: number): void {
  if (perMessage === 2) {
    for (let i = 0, at = 0; i < count; i++, at += 2) {
      words[at] = sequence + i;
      words[at + 1] = (sequence + i) ^ SALT;
    }
    return;
  }
  for (let i = 0, at = 0; i < count; i++) for (let k = 0; k < 16; k++, at++) words[at] = sequence + i + k;
}

/** 0 if the `count` messages in `words` are those from `sequence` on. */
export function differences(words: Int32Array, perMessage: WordsOf, sequence: number, count: number): number {
  let found = 0;
  if (perMessage === 2) {
    for (let i = 0, at = 0; i < count; i++, at += 2) {
      found |= (words[at] ^ (sequence + i)) | (words[at + 1] ^ (sequence + i) ^ SALT);
    }
    return found;
  }
  for (let i = 0, at = 0; i < count; i++) for (let k = 0; k < 16; k++, at++) found |= words[at] ^ (sequence + i + k);
  return found;
}
