/**
 * The last values that a subscriber gets when it joins. They are fetched by calls to all publishers that retain values,
 * and the answers come through other lanes than messages do. A publisher answers with what it published without the
 * subscriber in view; everything else comes as messages. A subscriber that has already been given such a message wants
 * no older value.
 */
import { PercoreError } from '../errors.js';
import { recordMemory } from '../queues/index.js';
import { makeCodec } from '../queues/internal.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';
import type { Bus } from './bus.js';
import type { Subscriber } from './subscriber.js';
import { RETAINED_SERVICE, type RetainedAnswer, type RetainedQuestion, type RetainedValue } from './wire.js';

/** These errors mean that a publisher has gone, and its last values with it. */
const GONE: readonly unknown[] = ['ERR_PERCORE_REACTOR_DIED', 'ERR_PERCORE_CLOSED', 'ERR_PERCORE_NO_HANDLER'];

/** Resolves when the subscriber has handled all last values, or has left. Never rejects; failures are reported. */
export async function giveRetained(bus: Bus, subscriber: Subscriber): Promise<void> {
  const { shared } = bus.party;
  const asked: Promise<void>[] = [];
  for (let from = 0; from <= shared.reactors; from++) {
    if (bus.members.retaining(from) > 0) asked.push(askOne(bus, subscriber, from));
  }
  await Promise.all(asked);
  await subscriber.hasHandled();
}

/** Fetches the last values of one party and gives them to the subscriber. */
async function askOne(bus: Bus, subscriber: Subscriber, from: number): Promise<void> {
  const { party } = bus;
  try {
    for (let behind = -1, hasMore = true; hasMore && !subscriber.hasEnded;) {
      const question: RetainedQuestion = { pattern: subscriber.pattern, behind, joinedAs: subscriber.joinedAs };
      const answer = await party.calls.call(RETAINED_SERVICE, question, from, DEFAULT_BAND, {}) as RetainedAnswer;
      for (const value of answer.values) {
        await give(bus, subscriber, from, value);
        behind = value.number;
      }
      hasMore = answer.hasMore;
    }
  } catch (error) {
    if (error instanceof PercoreError && GONE.includes(error.code)) return;
    party.reportError(error, `the last values for a subscriber of ${subscriber.pattern}`);
  }
}

/** Gives one last value to the subscriber, and waits for room if necessary. */
async function give(bus: Bus, subscriber: Subscriber, from: number, value: RetainedValue): Promise<void> {
  const { band, bytes, codec, name, number } = value;
  const memory = recordMemory(new ArrayBuffer((bytes.length + 7) & ~7));
  memory.bytes.set(bytes);
  let message: unknown = { ...memory, offset: 0, length: bytes.length, from, priority: DEFAULT_BAND };
  if (!subscriber.takesBytes) {
    try {
      message = makeCodec(codec).read(memory, 0, bytes.length);
    } catch (error) {
      // It costs this value alone, as for messages.
      bus.party.reportError(error, `the last value of topic "${name}"`);
      return;
    }
  }
  const info = Object.freeze({ topic: name, from, isRetained: true });
  /** True if the subscriber has it, or has a newer one that came as a message. */
  const isGiven = (): boolean => bus.heardOf(from, band, number)?.hasGiven(subscriber) === true
    || subscriber.offer(message, info, DEFAULT_BAND);
  while (!isGiven()) {
    const isDone = await new Promise<boolean>((resolve) => subscriber.whenRoom(() => resolve(isGiven())));
    if (isDone) return;
  }
}
