/**
 * Whether the broker has stored a message that was sent and never confirmed. As long as its stream knows identifiers
 * (`duplicate_window`), such a message is simply sent again, and stored once. After that the broker would store it
 * again: so it is asked for what it has stored under that subject since.
 *
 * It cannot be told where the stream deletes messages that were acknowledged ('workqueue', 'interest'), where it has
 * deleted old ones for want of room, and where so much was stored since that looking would take too long.
 */
import type { ClientHeaders } from './client.js';
import { isUnanswered } from './failures.js';
import type { NatsLink } from './link.js';

/** What the broker takes where nothing else is said, and the least that ensureStream does. */
const DEFAULT_WINDOW_MS = 120_000;
const LEAST_WINDOW_MS = 100;
/** Most messages that are looked at for one. Each is a question to the broker. */
const MOST_LOOKED = 10_000;

/** A message that was sent. */
export interface Sent {
  readonly subject: string;
  readonly headers: ClientHeaders;
  /** When, by `performance.now()`, since it was known last that it was not stored. */
  readonly firstMs: number;
  /** Stored behind this sequence of the stream, if at all. */
  readonly after: number;
}

export class StoredBefore {
  /** Half of the time in which the broker knows identifiers: for so long after a message was sent it is certain. */
  certainMs = LEAST_WINDOW_MS / 2;
  /** The highest sequence that was confirmed. */
  last = 0;
  private stream: string | undefined;
  private isLearned = false;

  constructor(private readonly link: NatsLink) {}

  /** The broker has confirmed a message. */
  confirmed(stream: string, sequence: number): void {
    if (sequence > this.last) this.last = sequence;
    if (this.stream !== undefined) return;
    this.stream = stream;
    this.learn();
  }

  /** The broker was found again, and may know identifiers for another time than before. */
  learn(): void {
    if (this.stream === undefined) return;
    this.link.manager.streams.info(this.stream).then(({ config }) => this.note(config), () => {
      // What was known before is the best there is; without an answer nothing can be sent again either.
    });
  }

  /** A question of ours that this user may not ask. */
  isForbidden(subject: string): boolean {
    return this.stream !== undefined && subject.startsWith('$JS.API.STREAM.') && subject.endsWith(`.${this.stream}`);
  }

  /** Undefined: that cannot be told. 'unanswered': the question was lost, or its answer, and can be asked again. */
  async has({ subject, headers, firstMs, after }: Sent): Promise<boolean | undefined | 'unanswered'> {
    const { streams } = this.link.manager;
    try {
      this.stream ??= await streams.find(subject);
      const { config, state } = await streams.info(this.stream);
      this.note(config);
      // It is not as long ago as it seemed.
      if (performance.now() - firstMs <= this.certainMs) return false;
      // A stream that was deleted meanwhile and made anew counts from 1 again.
      let next = state.last_seq < after ? 1 : after + 1;
      const isAllThere = config.retention === 'limits' && state.first_seq <= next;
      for (let looked = 0; looked < MOST_LOOKED; looked++) {
        const message = await streams.getMessage(this.stream, { seq: next, next_by_subj: subject });
        if (message === null) return isAllThere ? false : undefined;
        if (message.header.get('Nats-Msg-Id') === headers.get('Nats-Msg-Id')) return true;
        next = message.seq + 1;
      }
    } catch (error) {
      if (isUnanswered(error)) return 'unanswered';
      // None for this user. Streams that know identifiers for less than usual are rare.
      if (!this.isLearned && performance.now() - firstMs <= DEFAULT_WINDOW_MS / 2) return false;
    }
    return undefined;
  }

  private note(config: { readonly duplicate_window?: number }): void {
    this.isLearned = true;
    this.certainMs = (config.duplicate_window ?? DEFAULT_WINDOW_MS * 1e6) / 1e6 / 2;
  }
}
