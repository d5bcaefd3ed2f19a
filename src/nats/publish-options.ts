/** What may be said of one message that is published, and how it is checked. */
import { checkBytes, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { BUCKETS } from '../layout.js';
import type { ClientHeaders } from './client.js';
import { bucketOfKey, checkSubject, type BucketSubjects } from './subjects.js';

/** Options of `publish` and `stored` of a publisher. */
export interface NatsPublishOptions {
  /** Messages of one key keep their order; its bucket becomes part of the subject. Text stands for its UTF-8 bytes. */
  readonly key?: string | Uint8Array;
  /** The bucket itself, 0 to 1,023, if it is known already. */
  readonly bucket?: number;
  /** Words that follow the publisher's subject, instead of a key: 'eur' turns 'prices' into 'prices.eur'. */
  readonly below?: string;
  /**
   * The identifier by which the broker knows the message: it stores two of the same identifier once (within the
   * stream's `duplicate_window`). Default: one of `createIds`. If it is derived from its cause ('<its id>-result'), a
   * step that runs twice publishes once. 1 to 128 letters.
   */
  readonly id?: string;
  /** Headers, such as the context of a trace: `{ traceparent }`. */
  readonly headers?: Readonly<Record<string, string>>;
}

const MOST_ID = 128;
const OPTIONS = ['key', 'bucket', 'below', 'id', 'headers'];

export function checkPublish(
  given: Uint8Array | string, options: NatsPublishOptions | undefined, subjects: BucketSubjects,
): { payload: Uint8Array; subject: string; id: string | undefined } {
  const payload = typeof given === 'string' ? Buffer.from(given) : checkBytes('payload', given);
  if (options === undefined) return { payload, subject: subjects.subject, id: undefined };
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object');
  // A misspelt key would be a message without one.
  for (const name in options) if (!OPTIONS.includes(name)) checkOptions('options', options, OPTIONS);
  const { key, bucket, below, id } = options;
  if (id !== undefined && (typeof id !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(id))) {
    throw invalidArgument('id', id, `1 to ${MOST_ID} letters of ASCII without spaces`);
  }
  let { subject } = subjects;
  const places = [key, bucket, below].filter((place) => place !== undefined);
  if (places.length > 1) {
    const given = Object.keys(options).join(', ');
    throw invalidArgument('options', given, "one of 'key', 'bucket' and 'below', not several");
  }
  if (key !== undefined) {
    if (typeof key !== 'string') checkBytes('key', key);
    subject = subjects.of(bucketOfKey(key));
  } else if (bucket !== undefined) {
    subject = subjects.of(checkInteger('bucket', bucket, 0, BUCKETS - 1));
  } else if (below !== undefined) {
    subject = `${subject}.${checkSubject('below', below)}`;
  }
  return { payload, subject, id };
}

/** Puts all headers of a message into `headers`. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function headersOf(
  headers: ClientHeaders, id: string, own: Readonly<Record<string, string>> | undefined,
  common: Readonly<Record<string, string>> | undefined,
): ClientHeaders {
  headers.set('Nats-Msg-Id', id);
  if (common !== undefined) add(headers, common);
  if (own !== undefined) add(headers, own);
  return headers;
}

function add(headers: ClientHeaders, given: Readonly<Record<string, string>>): void {
  // A Map, or the headers of a request, would look like an object without any.
  if (typeof given !== 'object' || given === null || Symbol.iterator in given)
    throw invalidArgument('headers', given, "an object of texts, such as { traceparent: '…' }");
  for (const [name, text] of Object.entries(given)) {
    // A colon or an end of line would turn it into another header.
    if (!/^[\x21-\x39\x3b-\x7e]+$/.test(name)) throw invalidArgument('headers', name, "names without ':' and spaces");
    if (typeof text !== 'string' || /[\r\n]/.test(text)) {
      throw invalidArgument(`headers.${name}`, text, 'text in one line');
    }
    headers.set(name, text);
  }
}
