/**
 * Long work beside a reactor: it offloads ten hashes to a pool of threads and goes on answering. An urgent one that is
 * asked last comes before those that wait.
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, offload, type Reactor } from 'percore';

interface Services {
  calls: { hashAll(count: number): Promise<string>; ping(): string };
}

const hash = new URL('./hash.js', import.meta.url);

export default function start(reactor: Reactor<Services>): void {
  const ask = (text: string, priority: number): Promise<string> =>
    offload<typeof import('./hash.js')>(reactor, hash, { text, rounds: 2000 }, { priority });
  reactor.handle('ping', () => 'pong');
  reactor.handle('hashAll', async (count) => {
    let done = 0;
    const all = Array.from({ length: count }, (_, i) => ask(`text ${i}`, 2).then(() => done++));
    const digest = await ask('urgent', 6);
    const before = done;
    await Promise.all(all);
    return `${digest.slice(0, 8)} came ${before < count ? 'before' : 'after'} the last of ${done}`;
  });
}

if (isMainThread) {
  await using runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 1 });
  const hashes = runtime.call('hashAll', 10);
  console.log(await runtime.call('ping'), 'while it hashes');
  console.log(await hashes);
}
