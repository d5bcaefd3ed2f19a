/** A topology: who exists and who may send what to whom, written down once, then started, listed and dumped. */
import { isMainThread } from 'node:worker_threads';
import {
  createRuntime, defineTopology, openControl, startTopology, takes, type Reactor, type TopologyProgram,
} from 'percore';

interface Order { readonly price: number; readonly size: number }

const town = defineTopology({
  reactors: { front: 0, book: 1 },
  classes: { urgent: { priority: 6 }, bulk: { priority: 1 } },
  tasks: {
    parse: { on: 'front', module: import.meta.url, export: 'parse', class: 'bulk', takes: takes<string>() },
    match: { on: 'book', module: import.meta.url, export: 'match', class: 'urgent', takes: takes<Order>() },
  },
  sends: { main: ['parse'], parse: ['match'] },
});

export const parse: TopologyProgram<typeof town, 'parse'> = ({ send }) => (line) => {
  const [price, size] = line.split('x').map(Number) as [number, number];
  return send('match', { price, size });                       // to 'audit', or a string, would not compile
};

export const match: TopologyProgram<typeof town, 'match'> = ({ end }) => {
  let total = 0;
  return ({ price, size }) => {
    total += price * size;
    if (size === 0) end(total);
  };
};

/** The entry of each reactor: it lets itself be asked. */
export default function start(reactor: Reactor): void {
  openControl(reactor);
}

if (isMainThread) {
  const runtime = await createRuntime({ entry: new URL(import.meta.url), reactors: 2 });
  const running = await startTopology(runtime, town);
  for (const line of ['101.5x2', '99x10', '0x0']) running.send('parse', line);
  const { value } = await running.control.ask(1, 'join', { name: 'match' });
  console.log(`total ${String(value)}`);

  for (const { on, name, about } of await running.list('task')) console.log(`${on}: ${name} ${about}`);
  console.log(await running.dumpText());
  await runtime.close();
}
