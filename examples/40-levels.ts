/** Levels of one core: a task takes the core from a lower one, but not while that holds what both use (RTFM's lock). */
import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { defineApp, implementApp, startApp } from 'percore/realtime';

const app = defineApp({
  cores: [{ init: { spawns: ['low'] } }],
  resources: { shared: { value: 'u32' } },
  tasks: {
    low: { priority: 1, uses: ['shared'], spawns: ['middle', 'high'] },
    middle: { priority: 2, uses: ['shared'] },
    high: { priority: 3 },
  },
});

const say = (line: string): void => void writeSync(1, `${line}\n`);

export default implementApp(app, {
  init: [({ spawn }) => {
    say('A: init, before all tasks');
    spawn('low');
  }],
  tasks: {
    low({ lock, spawn, reactor }) {
      say('B: low begins');
      lock('shared', (shared) => {
        shared.value += 1;
        spawn('middle');                          // uses the same resource, so it has to wait
        say(`C: low has the resource, shared = ${shared.value}`);
        spawn('high');                            // uses nothing: it takes the core at once
      });
      say('F: low ends');
      reactor.send('end', true, { reactor: 'main' });
    },
    middle({ lock }) {
      lock('shared', (shared) => {
        shared.value += 1;
        say(`E: middle has the resource, shared = ${shared.value}`);
      });
    },
    high() { say('D: high'); },
  },
});

if (isMainThread) {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => { end = resolve; });
  const entry = new URL(import.meta.url);
  const running = await startApp(app, { entry, main: (runtime) => void runtime.spawn({ name: 'end' }, end) });
  await ended;
  const [core] = running.status().cores;
  say(core?.isPreemptive === true ? 'preemptive' : `by turns, more slowly: ${core?.why}`);
  await running.close();
}
