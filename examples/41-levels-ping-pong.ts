/** A message that goes back and forth between two cores of an app, and what a round takes. */
import { isMainThread } from 'node:worker_threads';
import { defineApp, implementApp, startApp, takes } from 'percore/realtime';

const ROUNDS = 2000;

const app = defineApp({
  cores: [{}, {}],
  tasks: {
    ping: { core: 0, priority: 1, spawns: ['pong'], takes: takes<number>() },
    pong: { core: 1, priority: 1, spawns: ['ping'], takes: takes<number>() },
  },
  main: { spawns: ['ping'] },
});

let beganNs = 0;

export default implementApp(app, {
  tasks: {
    ping({ spawn, nowNs, reactor }, round) {
      if (round === 0) beganNs = nowNs();
      if (round < ROUNDS) spawn('pong', round);
      else reactor.send('end', (nowNs() - beganNs) / ROUNDS, { reactor: 'main' });
    },
    pong({ spawn }, round) { spawn('ping', round + 1); },
  },
});

if (isMainThread) {
  let end = (_roundNs: number): void => undefined;
  const ended = new Promise<number>((resolve) => { end = resolve; });
  const running = await startApp(app, {
    entry: new URL(import.meta.url), main: (runtime) => void runtime.spawn<number>({ name: 'end' }, (ns) => end(ns)),
  });
  running.spawn('ping', 0);
  console.log(`${ROUNDS} rounds, ${Math.round(await ended)} ns there and back`);
  const { levels } = running.status();
  const isGranted = levels.every(({ fifoAsked, fifoGranted }) => fifoGranted === fifoAsked);
  console.log(isGranted ? 'at SCHED_FIFO 1' : 'more slowly: SCHED_FIFO was not granted');
  await running.close();
}
