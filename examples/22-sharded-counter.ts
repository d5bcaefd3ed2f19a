/** A sharded service: every reactor counts the words that it owns, and nobody locks anything. */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, createService, openService, type Reactor } from 'percore';

class Counts {
  readonly #byWord = new Map<string, number>();

  add(word: string): number {
    const count = (this.#byWord.get(word) ?? 0) + 1;
    this.#byWord.set(word, count);
    return count;
  }

  most(): [word: string, count: number] {
    return [...this.#byWord].reduce((most, each) => (each[1] > most[1] ? each : most), ['none', 0]);
  }

  words(): number {
    return this.#byWord.size;
  }
}

export default function start(reactor: Reactor): void {
  createService(reactor, { name: 'counts' }, () => new Counts());
}

if (isMainThread) {
  const runtime = await createRuntime({ entry: new URL(import.meta.url), reactors: 2 });
  const counts = openService<Counts>(runtime, 'counts');
  const text = 'the quick fox and the lazy dog and the cat saw the bird';
  await Promise.all(text.split(' ').map((word) => counts.on(word).add(word)));

  const words = await counts.mapReduce('words', [], (sum, each) => sum + each, 0);
  const [word, count] = (await counts.map('most')).reduce((most, each) => (each[1] > most[1] ? each : most));
  console.log(`${words} words over ${runtime.reactors} shards; the most frequent is "${word}", ${count} times`);
  await runtime.close();
}
