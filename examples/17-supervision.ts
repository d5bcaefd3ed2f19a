/** A pipeline is killed and goes on: stages begin anew, and when the last escalates, the whole pipeline does. */
import { isMainThread } from 'node:worker_threads';
import { BACK_PRESSURED, createProcess, createRuntime, tasksOf, type Reactor, type Self } from 'percore';

type Status = { count: number; total: number; restarts: Record<string, number> };
type Town = { calls: { status(): Status }; tasks: { pipeline: number } };
const KILL = -1;

export default function start(reactor: Reactor<Town>): void {
  let count = 0;
  let total = 0;
  createProcess(reactor, { name: 'pipeline', supervise: { policy: 'restart' } }, function* (self: Self<number>) {
    const add = createProcess(self, { name: 'add', supervise: { policy: 'escalate' } }, function* (add: Self<number>) {
      for (;;) {
        const number = yield* add.receive();
        if (number === 2 * KILL) throw new Error('killed');
        count++;
        total += number;
      }
    });
    const supervise = { policy: 'restart', most: 100 } as const;
    const double = createProcess(self, { name: 'double', supervise }, function* (double: Self<number>) {
      for (;;) {
        const number = yield* double.receive();
        if (number % 100 === 0) throw new Error(`${number} is not to be doubled`);
        while (add.send(2 * number) === BACK_PRESSURED) yield BACK_PRESSURED;
      }
    });
    for (;;) {
      const number = yield* self.receive();
      while (double.send(number) === BACK_PRESSURED) yield BACK_PRESSURED;
    }
  });
  reactor.handle('status', () => {
    return { count, total, restarts: Object.fromEntries(tasksOf(reactor).map((task) => [task.name, task.restarts])) };
  });
}

if (isMainThread) {
  const runtime = await createRuntime<Town>({ entry: new URL(import.meta.url), reactors: 1 });
  let errors = 0;
  runtime.on('stepError', () => errors++);
  const pipeline = runtime.address('pipeline', { reactor: 0 });
  const feed = async (first: number, last: number, isDone: (status: Status) => boolean): Promise<Status> => {
    for (let number = first; number <= last; number++) {
      while (pipeline.send(number) === BACK_PRESSURED) await new Promise<void>((goOn) => pipeline.whenRoom(goOn));
    }
    let status = await runtime.call('status');
    while (!isDone(status)) status = await runtime.call('status');
    return status;
  };
  await feed(1, 1000, ({ count }) => count === 990);
  await feed(KILL, KILL, ({ restarts }) => restarts['pipeline'] === 1);
  const { count, total, restarts } = await feed(1001, 1099, (status) => status.count === 990 + 99);
  await runtime.close();
  console.log(`${count} numbers, ${total} in all; ${errors} errors; begun anew: ${JSON.stringify(restarts)}`);
}
