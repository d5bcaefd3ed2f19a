import { describe, expect, it } from 'vitest';
import { inside, withRuntime } from '../reactor/fixtures/inside.js';
import { sources } from './fixtures/sources.js';

const STEPS = process.env['PERCORE_STRESS'] === '1' ? 10_000_000 : 100_000;

/**
 * Takes random steps on eventfds: they are opened, registered, made readable and closed, and their numbers are used
 * again at once, also while a batch is being delivered. The model knows whether each eventfd is open, and whether it
 * was made readable since.
 *
 * Three things are forbidden: an event for an eventfd that is closed; more events than times that it was made readable
 * (then they were for the former owner of its number); and an event that never comes.
 */
for (const source of sources) {
  describe(`events on ${source} against a model`, () => {
    for (const seed of [1, Math.floor(Math.random() * 2 ** 31)]) {
      it(
        `${STEPS} random steps of open, register, fire, close and reuse, seed ${seed}: none is misdelivered, `
          + `none is lost`,
        { timeout: 400_000 },
        async () => {
          await withRuntime(1, { io: { source } }, async (runtime) => {
            const outcome = await inside(
              runtime,
              0,
              async (reactor, { steps, seed: start }: { steps: number; seed: number }, { coreOf }) => {
                const { io } = reactor;
                const core = coreOf(io)!;
                const { native } = core;
                let state = start | 0;
                // Source: mulberry32.
                const random = (most: number): number => {
                  state = (state + 0x6d2b79f5) | 0;
                  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
                  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
                  return ((mixed ^ (mixed >>> 14)) >>> 0) % most;
                };
                const READABLE = 1;
                const counts = {
                  toClosed: 0, toWrong: 0, lost: 0, delivered: 0, opened: 0, reused: 0, closedInBatch: 0,
                };
                const everUsed = new Set<number>();
                const open: Eventfd[] = [];
                class Eventfd {
                  token = -1;
                  isOpen = true;
                  isFired = false;
                  fires = 0;
                  events = 0;
                  place = open.length;
                  readonly fd = native.wakers.create();
                  constructor() {
                    counts.opened++;
                    if (everUsed.has(this.fd)) counts.reused++;
                    everUsed.add(this.fd);
                    open.push(this);
                    core.register(this, this.fd, READABLE);
                  }
                  fire(): void {
                    this.isFired = true;
                    this.fires++;
                    native.wakers.wake(this.fd);
                  }
                  onReadiness(): void {
                    counts.delivered++;
                    if (!this.isOpen) counts.toClosed++;
                    // Firing twice may be reported once or twice, since readiness is a hint.
                    else if (++this.events > this.fires) counts.toWrong++;
                    this.isFired = false;
                    // Within the batch others of it are closed, and their numbers go to new eventfds.
                    if (random(4) !== 0) return;
                    for (let i = random(4); i > 0 && open.length > 1; i--) {
                      const other = open[random(open.length)]!;
                      if (other === this) continue;
                      if (other.isFired) counts.closedInBatch++;
                      other.close();
                      void new Eventfd();
                    }
                  }
                  close(): void {
                    if (!this.isOpen) return;
                    this.isOpen = false;
                    const last = open.pop()!;
                    if (last !== this) {
                      open[this.place] = last;
                      last.place = this.place;
                    }
                    core.deregister(this, this.fd);
                    native.wakers.close(this.fd);
                  }
                }
                for (let step = 0; step < steps;) {
                  for (let i = 1 + random(200); i > 0; i--, step++) {
                    const what = random(10);
                    if (open.length === 0 || (what < 2 && open.length < 100)) void new Eventfd();
                    else if (what < 4) open[random(open.length)]!.close();
                    else open[random(open.length)]!.fire();
                  }
                  // A turn, in which what was fired is delivered.
                  await new Promise((resolve) => setImmediate(resolve));
                  for (let turns = 0; turns < 50 && open.some(({ isFired }) => isFired); turns++)
                    await new Promise((resolve) => setImmediate(resolve));
                  for (const one of open) if (one.isFired) counts.lost++;
                  if (counts.lost > 0) break;
                }
                while (open.length !== 0) open.at(-1)!.close();
                return { ...counts, left: io.status().endpoints };
              },
              { steps: STEPS, seed },
              { timeoutMs: 390_000 },
            );
            expect(outcome, `seed ${seed}`).toMatchObject({ toClosed: 0, toWrong: 0, lost: 0, left: 0 });
            // The run has done what this test is about.
            expect(outcome.delivered).toBeGreaterThan(STEPS / 10);
            expect(outcome.reused).toBeGreaterThan(STEPS / 100);
            expect(outcome.closedInBatch).toBeGreaterThan(STEPS / 1000);
          });
        },
      );
    }
  });
}
