/**
 * Who subscribes to which topics, in memory that all parties of a runtime share. Before each message a publisher
 * compares one word, and reads the rest only if that word has changed. So joining needs no question and no answer.
 *
 *      a party that joins or leaves                          a publisher, before each message
 *      writes its patterns into the half that is not valid   changes as before? it goes on with what it knows
 *      state: now that half is valid                         otherwise it reads the valid half of each party and then
 *      changes + 1                                           looks whether state is still the same
 *
 * | pair             | write side          | read side | carries                            | needs                   |
 * |------------------|---------------------|-----------|------------------------------------|-------------------------|
 * | `topics.changes` | `announce`          | `changes` | that some member has changed       | sequentially consistent |
 * | `topics.state`   | `write`             | `of`      | the patterns in a half             | sequentially consistent |
 *
 * The first pair is Dekker's: a party that joins adds to `changes` and then looks who retains; a party that publishes
 * says that it retains and then loads `changes`. One of the two always sees the other. Patterns are stored and loaded
 * atomically too, because a plain load could move behind the second look at `state`, and what it reads may be
 * overwritten by then. Nobody waits for a writer, even if it is stopped in the middle: it writes where nobody reads,
 * and only its last store makes that half valid.
 *
 * Source: a sequence lock over two halves (a left-right register), so that readers find something complete at any time.
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
  /** Changes when another thread becomes this party, which then knows of no topic yet. */
  readonly generation: number;
  readonly patterns: readonly string[];
}

/** Makes the block; to be called before any worker starts. */
export function createTopics(parties: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(topicsBytes(parties));
  const words = new Int32Array(memory);
  // Before any worker starts: nobody else has this memory yet.
  Atomics.store(words, topicsLayout.fields.version.at >> 2, LAYOUT_VERSION);
  Atomics.store(words, topicsLayout.fields.magic.at >> 2, TOPICS_MAGIC);
  return memory;
}

/** The block as one thread uses it: it reads all members and writes only that of party `own`. */
export class TopicMembership {
  private readonly words: Int32Array;
  private readonly at: number;
  /** The count of changes when it was last looked at: the shared word, and the same count without wrapping. */
  private low = 0;
  private all = 0;
  private readonly known: (TopicMember & { readonly state: number } | undefined)[] = [];

  constructor(memory: SharedArrayBuffer, private readonly own: number) {
    this.words = new Int32Array(memory);
    this.at = topicMemberOffset(own) >> 2;
  }

  /** A number that changes with every change of any member. One load, which is all that publishing pays for this. */
  changes(): number {
    // topics.changes: pairs with announce().
    return Atomics.load(this.words, CHANGES);
  }

  /**
   * The same for a publisher that retains nothing, so that nobody's look at `retaining` depends on the order: a plain
   * load, which costs a tenth where a compiler does not inline the atomic one. It sees at least every change that this
   * thread has heard of. Should a compiler ever keep what it has read, the next step reads anew.
   */
  recentChanges(): number {
    return this.words[CHANGES]!;
  }

  /**
   * Turns a count of changes, which was taken at most 2^32 changes ago, into one that does not wrap, so that any two
   * can be compared. If this thread does not call it for longer than that, the result is too large.
   */
  totalOf(changes: number): number {
    const now = this.changes();
    this.all += (now - this.low) >>> 0;
    this.low = now;
    return this.all - ((now - changes) >>> 0);
  }

  /**
   * To be called when a new thread becomes this party or its thread has ended: the party then subscribes to nothing.
   */
  begin(): void {
    this.retain(-this.retaining(this.own));
    // Pairs with of(), behind topics.changes: whoever sees the patterns of a new thread sees its generation too.
    Atomics.add(this.words, this.at + GENERATION, 1);
    this.write([]);
  }

  /**
   * Replaces the patterns to which this party subscribes. Returns the value that `changes` has at least for everybody
   * who sees the new patterns. Throws ERR_PERCORE_NO_PLACE if the patterns are too long altogether.
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

  /** Announces a change that does not concern the patterns, so that publishers look again. Returns as `write` does. */
  announce(): number {
    // topics.changes: what was written is visible behind it; pairs with changes(). An add: any party may change.
    return (Atomics.add(this.words, CHANGES, 1) + 1) | 0;
  }

  /** What a party subscribes to. Allocates only if that has changed. */
  of(party: number): TopicMember {
    const { words } = this;
    const at = topicMemberOffset(party) >> 2;
    for (;;) {
      // topics.state: pairs with write().
      const state = Atomics.load(words, at + STATE);
      const known = this.known[party];
      if (known?.state === state) return known;
      const patterns = this.readHalf(at + HEAD_WORDS + (state & 1) * HALF_WORDS);
      // It was stored before the state seen above; pairs with begin().
      const generation = Atomics.load(words, at + GENERATION);
      // topics.state: it is still the same, so nobody has written this half meanwhile. Otherwise the party has
      // completed something newer, so this loop repeats only as often as the party joins or leaves meanwhile.
      if (patterns !== undefined && Atomics.load(words, at + STATE) === state) {
        const member = { state, generation, patterns };
        this.known[party] = member;
        return member;
      }
    }
  }

  /** Says that this party has `more` topics that retain their last value; negative when they end. */
  retain(more: number): void {
    // Before the next load of topics.changes; pairs with retaining().
    Atomics.add(this.words, this.at + RETAINING, more);
  }

  /** How many topics of a party retain their last value. */
  retaining(party: number): number {
    // It comes after the joining party's add to topics.changes; pairs with retain().
    return Atomics.load(this.words, (topicMemberOffset(party) >> 2) + RETAINING);
  }

  /** The patterns in one half; undefined if it is being written, so that the lengths in it make no sense. */
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
