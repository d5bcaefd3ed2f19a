/**
 * A rate limiter as a service: each reactor owns the buckets of its customers, so there is no lock and no database, and
 * every customer meets one bucket, whichever reactor asks.
 *
 *     node dist/examples/programs/rate-limiter.js
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, createService, openService, type Reactor } from 'percore';

/** Tokens that a customer may save up, and how many come back in a second. */
const BURST = 20;
const PER_SECOND = 10;
const MOST_CUSTOMERS = 100_000;

class Limiter {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** Whether this customer may do something that costs so many tokens; takes them if so. */
  take(customer: string, tokens: number): boolean {
    const now = performance.now();
    const bucket = this.#buckets.get(customer) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1000) * PER_SECOND);
    bucket.at = now;
    const isAllowed = bucket.tokens >= tokens;
    if (isAllowed) bucket.tokens -= tokens;
    // Who was seen last stands last, so who goes first has long been full again.
    this.#buckets.delete(customer);
    this.#buckets.set(customer, bucket);
    if (this.#buckets.size > MOST_CUSTOMERS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return isAllowed;
  }

  customers(): number {
    return this.#buckets.size;
  }
}

export default function start(reactor: Reactor): void {
  createService(reactor, { name: 'limiter' }, () => new Limiter());
}

if (isMainThread) {
  await using runtime = await createRuntime({ entry: new URL(import.meta.url), reactors: 2 });
  const limiter = openService<Limiter>(runtime, 'limiter');
  for (const customer of ['ada', 'grace']) {
    const asked = Array.from({ length: 50 }, () => limiter.on(customer).take(customer, 1));
    const allowed = (await Promise.all(asked)).filter(Boolean).length;
    const isBurst = allowed >= BURST && allowed < 50;
    console.log(`${customer}: ${isBurst ? 'the burst' : allowed} allowed, the rest refused`);
  }
  const customers = await limiter.mapReduce('customers', [], (sum, each) => sum + each, 0);
  console.log(`${customers} customers over ${runtime.reactors} reactors`);
}
