/** What the types of topologies take and refuse: tsc compiles this file, and tells of an error that does not come. */
import { expect, expectTypeOf, it } from 'vitest';
import {
  defineTopology, takes,
  type Control, type ControlAnswers, type ProgramContext, type RunningTopology, type TopologyMessage,
  type TopologyProgram, type TopologySends,
} from './index.js';
import { trading, type Order } from './fixtures/trading.js';

type Trading = typeof trading['declaration'];
const module = import.meta.url;

/** Never run: who may send what to whom. */
export function senders(
  running: RunningTopology<Trading>, parse: ProgramContext<TopologySends<Trading, 'parse'>>,
): void {
  running.send('parse', '1 2');
  parse.send('match', { price: 1, size: 2 });
  // @ts-expect-error The edge main -> match is not declared.
  running.send('match', { price: 1, size: 2 });
  // @ts-expect-error Nobody has this name.
  running.send('pares', '1 2');
  // @ts-expect-error A parser takes text.
  running.send('parse', 5);
  // @ts-expect-error The edge parse -> audit is not declared.
  parse.send('audit', 'text');
  // @ts-expect-error An order has a size.
  parse.send('match', { price: 1 });
  expectTypeOf<TopologyMessage<Trading, 'match'>>().toEqualTypeOf<Order>();
  expectTypeOf<keyof TopologySends<Trading, 'match'>>().toEqualTypeOf<'audit' | 'parse'>();
  expectTypeOf<keyof TopologySends<Trading, 'audit'>>().toEqualTypeOf<never>();
}

/** Never run: programs. */
export function programs(): unknown[] {
  const right: TopologyProgram<typeof trading, 'match'> = ({ send }) => ({ price }) => send('audit', String(price));
  // @ts-expect-error It is given orders.
  const wrongMessage: TopologyProgram<typeof trading, 'match'> = () => (text: string) => void text;
  // @ts-expect-error It may not send to itself.
  const wrongEdge: TopologyProgram<typeof trading, 'match'> = ({ send }) => (order) => send('match', order);
  return [right, wrongMessage, wrongEdge];
}

const quoting = defineTopology({
  reactors: { one: 0 },
  tasks: {
    feed: { on: 'one', module, takes: takes<string>() },
    view: { on: 'one', module, takes: takes<boolean>() },
    sum: { on: 'one', module, takes: takes<never>(), process: true },
  },
  sends: {},
  topics: { quotes: { from: ['feed'], to: ['view', 'sum'], carries: takes<number>() } },
});
/** Never run: topics. */
export function topics(running: RunningTopology<typeof quoting['declaration']>): unknown[] {
  // @ts-expect-error Only the feed may publish.
  running.publish('quotes', 1);
  expectTypeOf<TopologyMessage<typeof quoting['declaration'], 'view'>>().toEqualTypeOf<boolean | number>();
  expectTypeOf<TopologyMessage<typeof quoting['declaration'], 'feed'>>().toEqualTypeOf<string>();
  const feed: TopologyProgram<typeof quoting, 'feed'> = ({ publish }) => (text) => publish('quotes', Number(text));
  // @ts-expect-error Quotes are numbers.
  const wrongMessage: TopologyProgram<typeof quoting, 'feed'> = ({ publish }) => (text) => publish('quotes', text);
  // @ts-expect-error The view may not publish.
  const wrongTask: TopologyProgram<typeof quoting, 'view'> = ({ publish }) => () => publish('quotes', 1);
  const sum: TopologyProgram<typeof quoting, 'sum'> = () => async (self) => {
    expectTypeOf(await self.next()).toEqualTypeOf<number>();
  };
  // @ts-expect-error It is a process: a step is none.
  const noProcess: TopologyProgram<typeof quoting, 'sum'> = () => (message: number) => void message;
  return [feed, wrongMessage, wrongTask, sum, noProcess];
}

/** Never run: what is declared. */
export function declarations(): unknown[] {
  const tasks = { a: { on: 'one', module, takes: takes<number>() } } as const;
  return [
    defineTopology({ reactors: { one: 0 }, tasks, sends: { main: ['a'] } }),
    // @ts-expect-error There is no reactor of this name.
    defineTopology({ reactors: { two: 0 }, tasks, sends: {} }),
    // @ts-expect-error There is no task b to send to.
    defineTopology({ reactors: { one: 0 }, tasks, sends: { a: ['b'] } }),
    // @ts-expect-error There is no task b that hears it.
    defineTopology({ reactors: { one: 0 }, tasks, sends: {}, topics: { t: { from: ['main'], to: ['b'] } } }),
    // @ts-expect-error There is no task b that sends.
    defineTopology({ reactors: { one: 0 }, tasks, sends: { b: ['a'] } }),
    defineTopology({
      reactors: { one: 0 }, classes: { urgent: { priority: 6 } }, sends: {},
      // @ts-expect-error There is no class of this name.
      tasks: { a: { on: 'one', module, class: 'bulk' } },
    }),
  ];
}

/** Never run: messages of the protocol. */
export async function messages(control: Control): Promise<void> {
  expectTypeOf(control.ask(1, 'seq', { count: 5 })).toEqualTypeOf<Promise<ControlAnswers['seq']>>();
  await control.ask(1, 'send', { task: 'a', message: 1 });
  // @ts-expect-error There is no such verb.
  await control.ask(1, 'fetch', {});
  // @ts-expect-error A ring has a name.
  await control.ask(1, 'ring', { capacityBytes: 64 });
  // @ts-expect-error Nobody is sent to.
  await control.ask(1, 'send', { message: 1 });
  // @ts-expect-error A share is a number.
  await control.ask(1, 'split', { name: 'a', from: 'r', to: [{ task: 'a' }], percent: ['100'] });
  // @ts-expect-error What is listed is one of the kinds.
  await control.ask(1, 'list', { what: 'rings' });
}

it('types of topologies are checked by the compiler', () => {
  expect([senders, programs, topics, declarations, messages].every((each) => typeof each === 'function')).toBe(true);
});
