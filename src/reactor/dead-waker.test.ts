/** By itself, and alone on its machine, since it counts on nobody else's wakening a thread for half a second. */
import { expect, it } from 'vitest';
import { partyLayout, words } from '../layout.js';
import { inside, sleep, until, withRuntime } from './fixtures/inside.js';
import { controllerOf } from './runtime.js';
import { partyWords } from './shared.js';

it('a reactor that dies wakes its peers, who may have been about to be woken by it (dead waker)', async () => {
  await withRuntime(3, { idle: { strategy: 'park' } }, async (runtime) => {
    runtime.on('reactorDied', () => undefined);
    // Reactor 2 has set the word that says "somebody is waking you" and died before it wrote: what a swap without a
    // write looks like.
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['steps'] = 0;
      reactor.spawn({ name: 'note' }, () => void state['steps']++);
    });
    // V8 wakes a thread once more after its start, on Node 24.
    const { shared } = controllerOf(runtime);
    for (let parks = -1, tries = 0; parks !== runtime.status().reactors[0]!.parks && tries < 10; tries++) {
      parks = runtime.status().reactors[0]!.parks;
      await sleep(500);
    }
    const attention = partyLayout.fields.attention.at >> 2;
    const asleep = partyWords(shared.inboxes[0]!);
    expect(Atomics.load(asleep, attention)).toBe(words.attention.PARKED);
    Atomics.store(asleep, attention, words.attention.AWAKE);
    // Now nobody who sends will write its eventfd: the record waits.
    const parks = runtime.status().reactors[0]!.steps[3]!;
    runtime.send('note', 1, { reactor: 0 });
    await sleep(50);
    expect(runtime.status().reactors[0]!.steps[3], 'the record waits: the state is the one meant').toBe(parks);
    // The swap's author dies. It has to be noticed without anybody sending more.
    void controllerOf(runtime).members[2]!.worker.terminate();
    await until(
      () => runtime.status().reactors[0]!.steps[3]! > parks, 'the sleeper runs after the exit of the waker', 2000,
    );
  });
});
