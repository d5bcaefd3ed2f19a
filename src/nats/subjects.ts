/**
 * Subjects: words with dots between them. A key may have any bytes, so it cannot be part of the subject. Its bucket is
 * part of it instead, after the range of buckets that it lies in:
 *
 *      orders.12.200      subject "orders", range 12 of 64, bucket 200 of 1,024
 *
 * So all messages of a key have one subject, and the broker keeps their order. A consumer that asks for "orders.12.>"
 * gets the buckets of one range.
 */
import { checkText, invalidArgument } from '../errors.js';
import { BUCKETS } from '../layout.js';
import { bucketOf, hashKey } from '../reactor/index.js';

export const DEFAULT_RANGES = 64;
const MOST_LETTERS = 512;

/** Throws unless one can publish to this subject. */
export function checkSubject(argument: string, subject: unknown): string {
  checkText(argument, subject);
  if (isSubject(subject as string) && !/[*>]/.test(subject as string)) return subject as string;
  throw invalidArgument(argument, subject, "words with dots between them, no space, '*' or '>', such as 'orders'");
}

/** The same, with `*` and `>` allowed for words. */
export function checkFilter(argument: string, subject: unknown): string {
  checkText(argument, subject);
  if (isSubject(subject as string)) return subject as string;
  throw invalidArgument(argument, subject, "words with dots between them, with '*' or '>' for any, such as 'orders.>'");
}

function isSubject(subject: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return subject.length <= MOST_LETTERS && !/[\s\u0000-\u001f]/.test(subject)
    && subject.split('.').every((word) => word !== '');
}

/** Throws unless it is the name of a stream or a consumer. */
export function checkBrokerName(argument: string, name: unknown): string {
  checkText(argument, name);
  if (/^[A-Za-z0-9_-]{1,200}$/.test(name as string)) return name as string;
  throw invalidArgument(argument, name, "1 to 200 letters, digits, '_' and '-'");
}

/** Throws unless it is a power of two up to the number of buckets. */
export function checkRanges(ranges: unknown = DEFAULT_RANGES): number {
  const isPower = typeof ranges === 'number' && Number.isInteger(ranges) && ranges >= 1 && ranges <= BUCKETS
    && (ranges & (ranges - 1)) === 0;
  if (isPower) return ranges;
  throw invalidArgument('ranges', ranges, `a power of two from 1 to ${BUCKETS}`);
}

/** The bucket that a key belongs to, here and in every reactor of every machine. */
export function bucketOfKey(key: string | Uint8Array): number {
  return bucketOf(hashKey(typeof key === 'string' ? Buffer.from(key) : key));
}

/** The range that a bucket lies in. */
export const rangeOf = (bucket: number, ranges: number): number => Math.floor((bucket * ranges) / BUCKETS);

/** The subjects of all buckets below one subject, made once. */
export class BucketSubjects {
  private readonly subjects: (string | undefined)[] = [];

  constructor(readonly subject: string, readonly ranges: number) {}

  of(bucket: number): string {
    return (this.subjects[bucket] ??= `${this.subject}.${rangeOf(bucket, this.ranges)}.${bucket}`);
  }
}

/** Whether a filter of a stream, such as 'orders.>', takes any bucket below `subject`. */
export function mayTakeBuckets(filter: string, subject: string): boolean {
  const words = filter.split('.');
  // Any range, and any bucket.
  const asked = [...subject.split('.'), '*', '*'];
  for (const [at, word] of words.entries()) {
    const other = asked[at];
    if (other === undefined) return false;
    if (word === '>') return true;
    if (word !== '*' && other !== '*' && word !== other) return false;
  }
  return words.length === asked.length;
}

/** The bucket that a subject names, or -1. */
export function bucketIn(subject: string): number {
  const word = subject.slice(subject.lastIndexOf('.') + 1);
  const bucket = /^\d{1,4}$/.test(word) ? Number(word) : -1;
  return bucket < BUCKETS ? bucket : -1;
}
