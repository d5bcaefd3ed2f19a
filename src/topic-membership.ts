/**
 * Who subscribes to which topics, in memory that all parties of a runtime share. A publisher compares one word before
 * each message and reads the rest only when that has changed; nobody is asked, and nobody has to answer.
 *
 *      party that joins or leaves                            publisher, before each message
 *      writes its patterns into its half that is not valid   changes: as before? goes on with what it knows
 *      state: that half is valid now                         else: reads the valid half of each party, then looks
 *      changes + 1                                           whether state is still the same
 *
 * | pair             | write side          | read side | carries                            | needs                   |
 * |------------------|---------------------|-----------|------------------------------------|-------------------------|
 * | `topics.changes` | `announce`          | `changes` | that some member is another        | sequentially consistent |
 * | `topics.state`   | `write`             | `of`      | patterns of a half                 | sequentially consistent |
 *
 * The first pair is Dekker's: whoever joins adds to `changes` and then asks who retains; whoever publishes says that it
 * retains and then loads `changes`. One of them always sees the other. Patterns are stored and loaded atomically too: a
 * plain load could move behind the second look at `state`, and what it reads may be overwritten by then. Nobody waits
 * for a writer, which may be stopped anywhere: it writes where nobody reads, and only the last store makes it valid.
 *
 * Source: a sequence lock over two halves (a left-right register), so that readers have something whole at any time.
 */
import { PercoreError } from './errors.js';
import {
  LAYOUT_VERSION, PATTERNS_BYTES, TOPICS_MAGIC, topicMemberLayout, topicMemberOffset, topicsBytes, topicsLayout,
} from './layout.js';

const CHANGES = topicsLayout.fields.changes.at >> 2;
const STATE = topicMemberLayout.fields.state.at >> 2;
const GENERATION = topicMemberLayout.fields.generation.at >> 2;
const RETAINING = topicMemberLayout.fields.retaining.at >> 2;
const HEAD_WORDS = topicMemberLayout.bytes >> 2;
const HALF_WORDS = PATTERNS_BYTES >> 2;

/** What one party subscribes to. */
export interface TopicMember {
  /** Another number: another thread, which has heard of no topic. */
  readonly generation: number;
  readonly patterns: readonly string[];
}

/** Makes the block, before any worker starts. */
export function createTopics(parties: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(topicsBytes(parties));
  const words = new Int32Array(memory);
  // Before any worker starts: nobody else has this memory yet.
  Atomics.store(words, topicsLayout.fields.version.at >> 2, LAYOUT_VERSION);
  Atomics.store(words, topicsLayout.fields.magic.at >> 2, TOPICS_MAGIC);
  return memory;
}

/** The block as one thread sees it; it writes the member of party `own` alone. */
export class TopicMembership {
  private readonly words: Int32Array;
  private readonly at: number;
  /** The counts of changes that were looked at last: as it is, and without wrapping. */
  private low = 0;
  private all = 0;
  private readonly known: (TopicMember & { readonly state: number } | undefined)[] = [];

  constructor(memory: SharedArrayBuffer, private readonly own: number) {
    this.words = new Int32Array(memory);
    this.at = topicMemberOffset(own) >> 2;
  }

  /** A number that changes with every change of any member. A load: all that it costs to publish while none joins. */
  changes(): number {
    // topics.changes: pairs with announce().
    return Atomics.load(this.words, CHANGES);
  }

  /**
   * Of a count of changes that was taken at most 2^32 changes ago: the same, without wrapping. Two of them can be
   * compared however far they lie apart. A thread that does not ask for longer takes it for later than it was.
   */
  totalOf(changes: number): number {
    const now = this.changes();
    this.all += (now - this.low) >>> 0;
    this.low = now;
    return this.all - ((now - changes) >>> 0);
  }

  /** A new thread is this party now, or its thread has ended: it subscribes to nothing. */
  begin(): void {
    this.retain(-this.retaining(this.own));
    // Pairs with of(), behind topics.changes: who sees the patterns of a new thread sees its generation.
    Atomics.add(this.words, this.at + GENERATION, 1);
    this.write([]);
  }

  /**
   * From now on this party subscribes to these. Returns what `changes` says at least to all who see it. Throws
   * ERR_PERCORE_NO_PLACE where they are too many.
   */
  write(patterns: readonly string[]): number {
    const letters = patterns.reduce((sum, { length }) => sum + ((length + 1) & ~1), 0);
    if (4 * (1 + patterns.length) + 2 * letters > PATTERNS_BYTES) {
      throw new PercoreError(
        'ERR_PERCORE_NO_PLACE',
        `the patterns that this reactor subscribes to have ${letters} letters, more than the ${PATTERNS_BYTES} bytes `
          + 'for them. Subscribe to a common beginning of them, such as "prices.*"',
        { argument: 'pattern', value: patterns.length },
      );
    }
    const { words, at } = this;
    // topics.state: only this thread writes it.
    const state = (Atomics.load(words, at + STATE) + 1) | 0;
    let to = at + HEAD_WORDS + (state & 1) * HALF_WORDS;
    // topics.state: a reader that is two changes behind sees by its second look that this half is written again.
    Atomics.store(words, to++, patterns.length);
    for (const pattern of patterns) {
      Atomics.store(words, to++, pattern.length);
      for (let i = 0; i < pattern.length; i += 2) {
        // As above. Past the end charCodeAt gives NaN, which is 0 here.
        Atomics.store(words, to++, pattern.charCodeAt(i) | (pattern.charCodeAt(i + 1) << 16));
      }
    }
    // topics.state: the half is whole; pairs with of().
    Atomics.store(words, at + STATE, state);
    return this.announce();
  }

  /** A change that is not one of patterns: publishers count it all the same. Returns as `write` does. */
  announce(): number {
    // topics.changes: what was written is visible behind it; pairs with changes(). An add: any party may change.
    return (Atomics.add(this.words, CHANGES, 1) + 1) | 0;
  }

  /** What a party subscribes to. Allocates only where that has changed. */
  of(party: number): TopicMember {
    const { words } = this;
    const at = topicMemberOffset(party) >> 2;
    for (;;) {
      // topics.state: pairs with write().
      const state = Atomics.load(words, at + STATE);
      const known = this.known[party];
      if (known?.state === state) return known;
      const patterns = this.readHalf(at + HEAD_WORDS + (state & 1) * HALF_WORDS);
      // Stored before the state that was seen; pairs with begin().
      const generation = Atomics.load(words, at + GENERATION);
      // topics.state: still the same, so nobody has written this half meanwhile. Else there is something newer, which
      // its party had to write whole first: this goes round as often as that one joins and leaves meanwhile.
      if (patterns !== undefined && Atomics.load(words, at + STATE) === state) {
        const member = { state, generation, patterns };
        this.known[party] = member;
        return member;
      }
    }
  }

  /** This party has `more` topics whose last value may be asked for. */
  retain(more: number): void {
    // Before the next load of topics.changes; pairs with retaining().
    Atomics.add(this.words, this.at + RETAINING, more);
  }

  /** How many topics of a party retain their last value. */
  retaining(party: number): number {
    // Behind the add to topics.changes of whoever joins; pairs with retain().
    return Atomics.load(this.words, (topicMemberOffset(party) >> 2) + RETAINING);
  }

  /** Undefined where the half is being written, so that lengths make no sense. */
  private readHalf(from: number): string[] | undefined {
    const { words } = this;
    const end = from + HALF_WORDS;
    const patterns: string[] = [];
    let at = from;
    // topics.state: all loads here lie between the two looks at it in of().
    const count = Atomics.load(words, at++);
    for (let i = 0; i < count; i++) {
      if (at >= end) return undefined;
      // As above.
      const length = Atomics.load(words, at++);
      if (length < 0 || at + ((length + 1) >> 1) > end) return undefined;
      let text = '';
      for (let letter = 0; letter < length; letter += 2) {
        // As above.
        const two = Atomics.load(words, at++);
        text += String.fromCharCode(two & 0xffff);
        if (letter + 1 < length) text += String.fromCharCode(two >>> 16);
      }
      patterns.push(text);
    }
    return patterns;
  }
}
