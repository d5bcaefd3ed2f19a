/**
 * All counters and figures of a runtime as exporters see them: families of samples with labels, in the units of the
 * tables. Each exporter names them in its own way.
 */
import { RETURN_LANES, type Unit } from '../layout.js';
import type { Histogram } from '../observe/index.js';
import { FIGURES } from '../observe/internal.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, partyCounters, partyFigures } from '../reactor/internal.js';
import { tablesOf } from './metrics.js';
import { queuesShown } from './shown.js';
import { readLanes, readQueues, readTopics, type TopicFigures } from './sources.js';

export interface Sample {
  /** Those of one task are one object, in all of its samples. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of a summary's percentile: which one, from '0.5' to '1'. It is a label too. */
  readonly quantile?: string;
  readonly value: number;
  /** For a summary: the sum or the number of its values. Left out: a percentile, or the value itself. */
  readonly part?: 'sum' | 'count';
}
export interface Family {
  /** In the words of the tables: 'received', 'droppedByReason.noTask', 'task.response'. */
  readonly name: string;
  readonly unit: Unit;
  readonly kind: 'counter' | 'gauge' | 'summary';
  readonly means: string;
  readonly samples: readonly Sample[];
}

/** All families as they are now. Reads shared memory and blocks nobody; allocates. */
export function readFamilies(runtime: Runtime): Family[] {
  const controller = controllerOf(runtime);
  const { shared, main } = controller;
  const parties = Array.from({ length: runtime.reactors }, (_, id) => id).concat(main.id);
  const reactorOf = (id: number): string => (id === main.id ? 'main' : String(id));
  const families = partyFigures.map(({ name, unit, isGauge, means, count, at }): Family => ({
    name, unit, means, kind: isGauge ? 'gauge' : 'counter',
    samples: parties.flatMap((id) => {
      const counters = partyCounters(shared.inboxes[id]!);
      return Array.from({ length: count }, (_, band) => ({
        labels: { reactor: reactorOf(id), ...(count === 1 ? {} : { band: String(band) }) },
        value: counters[(at >> 3) + band]!,
      }));
    }),
  }));
  const lanes = readLanes(shared).map((lane) => ({
    ...lane, labels: {
      reactor: reactorOf(lane.to), from: reactorOf(lane.from), band: String(lane.priority),
      direction: lane.isReturn ? 'answers' : 'messages',
    },
  }));
  const queues = readQueues(queuesShown(controller)).map((queue) => ({ ...queue, labels: { queue: queue.name } }));
  const topics = readTopics(shared).map((topic) => ({
    ...topic,
    labels: { reactor: reactorOf(topic.party), [topic.role === 'publishes' ? 'topic' : 'pattern']: topic.name },
  }));
  const published = added(topics.filter(({ role }) => role === 'publishes'));
  const subscribed = added(topics.filter(({ role }) => role === 'subscribes'));
  families.push(
    gauge('lane.lag', 'messages that wait in the lane', lanes.map(({ labels, lag }) => ({ labels, value: lag }))),
    counter('lane.refused', 'times that the lane was full', lanes.map(({ labels, refused }) => (
      { labels, value: refused }))),
    gauge('queue.depth', 'what the queue holds: records, or bytes where they vary', queues.map(({ labels, depth }) => (
      { labels, value: depth }))),
    counter('queue.published', 'records accepted', queues.map(({ labels, published: value }) => ({ labels, value }))),
    counter('queue.refused', 'offers answered BACK_PRESSURED', queues.map(({ labels, refused }) => (
      { labels, value: refused }))),
    counter('queue.dropped', 'records lost, by reason', queues.flatMap(({ labels, dropped }) =>
      byReason(labels, { ...dropped }))),
    gauge('queue.lag', 'what is published and the consumer has not read', queues.flatMap(({ labels, consumers }) =>
      consumers.map(({ place, lag }) => ({ labels: { ...labels, consumer: String(place) }, value: lag })))),
    counter('topic.published', 'messages that publish has taken', published.map(({ labels, messages }) => (
      { labels, value: messages }))),
    counter('topic.refused', 'messages that publish has refused', published.map(({ labels, refused }) => (
      { labels, value: refused }))),
    counter('subscription.received', 'messages that the handler has taken', subscribed.map(({ labels, messages }) => (
      { labels, value: messages }))),
    gauge('subscription.lag', 'messages that wait for the handler', subscribed.map(({ labels, lag }) => (
      { labels, value: lag }))),
    counter('subscription.dropped', 'messages lost, by reason', subscribed.flatMap(({ labels, dropped }) =>
      byReason(labels, dropped))),
  );
  if (shared.figures === undefined) return families;
  const tables = tablesOf(main, runtime);
  const labelled = tables.flatMap(({ id, table }) => table.slots().map((slot) => ({
    slot, labels: { reactor: reactorOf(id), task: slot.name, band: String(slot.band) },
  })));
  for (const count of ['steps', 'messages', 'refused', 'errors'] as const) {
    families.push({
      name: `task.${count}`, unit: 'count', kind: 'counter', means: `${count} of the task`,
      samples: labelled.map(({ slot, labels }) => ({ labels, value: slot.count(count) })),
    });
  }
  for (const [kind, figure] of FIGURES.entries()) {
    families.push({
      name: `task.${figure}`, unit: 'ns', kind: 'summary', means: `${figure} of the task; short ones by samples`,
      samples: labelled.flatMap(({ slot, labels }) => summarySamples(labels, slot.histograms[kind]!)),
    }, {
      name: `task.${figure}.violations`, unit: 'count', kind: 'counter', means: `values of ${figure} above their bound`,
      samples: labelled.map(({ slot, labels }) => ({ labels, value: slot.violations(kind) })),
    });
  }
  families.push({
    name: 'lane.latency', unit: 'ns', kind: 'summary', means: 'from publishing to being taken, by samples',
    samples: tables.flatMap(({ id, table }) => table.lanes.flatMap((lane, number) => (lane.count() === 0 ? [] :
      summarySamples({
        reactor: reactorOf(id), band: String(number % RETURN_LANES),
        direction: number >= RETURN_LANES ? 'answers' : 'messages',
      }, lane)))),
  });
  return families;
}

const gauge = (name: string, means: string, samples: readonly Sample[]): Family => (
  { name, unit: 'count', kind: 'gauge', means, samples });
const counter = (name: string, means: string, samples: readonly Sample[]): Family => (
  { name, unit: 'count', kind: 'counter', means, samples });
const byReason = (labels: Sample['labels'], reasons: Readonly<Record<string, number | undefined>>): Sample[] =>
  Object.entries(reasons).map(([reason, value = 0]) => ({ labels: { ...labels, reason }, value }));

/** Merges topics of the same name and party, because an exporter takes each set of labels once. */
function added<T extends TopicFigures & { readonly labels: Sample['labels'] }>(topics: readonly T[]): T[] {
  const byName = new Map<string, T>();
  for (const topic of topics) {
    const key = JSON.stringify(topic.labels);
    const known = byName.get(key);
    const sum = (of: (each: TopicFigures) => number): number => of(topic) + (known === undefined ? 0 : of(known));
    byName.set(key, {
      ...topic, messages: sum(({ messages }) => messages), refused: sum(({ refused }) => refused),
      lag: sum(({ lag }) => lag), dropped: {
        newest: sum(({ dropped }) => dropped.newest), oldest: sum(({ dropped }) => dropped.oldest),
        evicted: sum(({ dropped }) => dropped.evicted), left: sum(({ dropped }) => dropped.left),
      },
    });
  }
  return [...byName.values()];
}

/**
 * Reads them once for all readers of one moment, because an exporter asks for each family separately, one right after
 * the other.
 */
export function sharedReading(runtime: Runtime): () => ReadonlyMap<string, Family> {
  let kept: ReadonlyMap<string, Family> | undefined;
  return () => {
    if (kept !== undefined) return kept;
    kept = new Map(readFamilies(runtime).map((family) => [family.name, family]));
    setImmediate(() => (kept = undefined)).unref();
    return kept;
  };
}

/** Turns 'droppedByReason.noTask' into dropped_by_reason_no_task; its unit is dropped at the end of a name. */
export function snake({ name, unit }: Pick<Family, 'name' | 'unit'>, separator = '_'): string {
  const bare = unit === 'count' ? name : name.replace(unit === 'ns' ? /Ns$/ : /Bytes$/, '');
  return bare.replaceAll('.', separator).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function summarySamples(labels: Sample['labels'], histogram: Histogram): Sample[] {
  const { count, sum, p50, p99, p999 } = histogram.summary();
  return [
    { labels, quantile: '0.5', value: p50 }, { labels, quantile: '0.99', value: p99 },
    { labels, quantile: '0.999', value: p999 }, { labels, quantile: '1', value: histogram.max() },
    { labels, value: sum, part: 'sum' }, { labels, value: count, part: 'count' },
  ];
}
