/**
 * What goes on when the wall clock of a machine is set back. Nothing of percore/nats waits by that clock but two things
 * that are mended here: identifiers, and the client's pause between two tries to connect.
 */
import { randomBytes } from 'node:crypto';
import { createIds, type Ids } from '../topology/index.js';

/** Milliseconds since 1970, as they go on from the start of this thread whatever is done to the clock meanwhile. */
const steadyMs = (): number => Math.floor(performance.timeOrigin + performance.now());

/**
 * Identifiers for the messages of one publisher. Their origin is drawn at random: under the thread's own they could be
 * those that the program makes by `createIds`, which go by the other clock.
 */
export function messageIds(): Ids {
  return createIds({ origin: randomBytes(6).readUIntBE(0, 6), nowMs: steadyMs });
}

/** A smaller step cannot be told from rounding, and delays nothing. */
const LEAST_STEP_MS = 20;
/** More servers than most clusters have; a further one is tried when it is its turn. */
const MOST_SERVERS = 16;
/** So that not all come at once when a broker is back. */
const JITTER_MS = 50;

/**
 * How long the client waits between two tries at one server, as its `reconnectDelayHandler`. It compares the wall clock
 * with the one at its last try, so after a clock was set back by an hour it would try nothing for an hour. Then this
 * lets it try each server at once, from which on it counts anew.
 */
export function reconnectDelay(pauseMs: number): () => number {
  const ahead = (): number => Date.now() - performance.now();
  let before = ahead();
  let atOnce = 0;
  return () => {
    const now = ahead();
    if (now < before - LEAST_STEP_MS) atOnce = MOST_SERVERS;
    before = now;
    if (atOnce === 0) return pauseMs + Math.floor(Math.random() * JITTER_MS);
    atOnce--;
    return -Infinity;
  };
}
