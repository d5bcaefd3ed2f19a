/**
 * The place of a consumer at the broker: what it is called, where it begins, and what was acknowledged. It is made
 * where there is none.
 *
 * The only reader of its place begins anew when it opens it, at the first message that is not acknowledged: what a
 * connection or a process took with it would otherwise come behind newer messages, after `ackWaitMs`. The broker has no
 * order for that, so the place is deleted and made again. In between a second one holds where it begins, in case this
 * process dies there:
 *
 *      orders: acknowledged up to 41, 45 given out
 *      orders-resumes: from 42 on                     then "orders" is deleted, made from 42 on
 *      orders: from 42 on                             then "orders-resumes" is deleted
 *
 * A place that is there already has to be one for what is asked: the same subjects, acknowledged one by one. Its bounds
 * are brought to those that are asked for, as those of a stream by ensureStream.
 *
 * In a work queue what was acknowledged is deleted, so there it begins at the first message that is left.
 */
import { PercoreError } from '../errors.js';
import type { ConsumerInfo } from './client.js';
import { jetStreamCode, NO_CONSUMER } from './failures.js';
import type { NatsLink } from './link.js';
import type { ConsumerSettings } from './options.js';

type Config = ConsumerInfo['config'];

/** `start`: the first sequence that it is given, where the broker does not know it yet. */
export async function makePlace(
  link: NatsLink, settings: ConsumerSettings, isWorkQueue: boolean, start: number | undefined,
): Promise<void> {
  const { stream, name, isOnlyReader } = settings;
  const known = await findPlace(link, stream, name);
  if (known !== undefined) await suit(link, known, settings);
  const add = (as: string, config: Config, first: number | undefined): Promise<unknown> =>
    link.manager.consumers.add(stream, { ...config, name: as, durable_name: as, ...beginning(first, settings.from) });
  // A work queue allows no other beginning.
  const beginning = (first: number | undefined, from: string): object =>
    first === undefined || isWorkQueue ? { deliver_policy: first === undefined ? from : 'all' }
      : { deliver_policy: 'by_start_sequence', opt_start_seq: first };
  if (!isOnlyReader) {
    if (known === undefined) await add(name, configOf(settings), start);
    return;
  }
  const resumes = `${name}-resumes`;
  const mark = isWorkQueue ? undefined : await findPlace(link, stream, resumes);
  if (known !== undefined) {
    // Whoever left it has died between two of the steps below. The place itself knows better.
    if (mark !== undefined) await removePlace(link, stream, resumes);
    if (known.num_ack_pending === 0) return;
  }
  const config = { ...(known?.config ?? mark?.config), ...configOf(settings) };
  const first = known === undefined ? mark?.config.opt_start_seq ?? start
    : Math.max(known.ack_floor.stream_seq + 1, known.config.opt_start_seq ?? 1);
  if (known !== undefined) {
    if (!isWorkQueue) await add(resumes, config, first);
    await removePlace(link, stream, name);
  }
  await add(name, config, first);
  if (!isWorkQueue && (known ?? mark) !== undefined) await removePlace(link, stream, resumes);
}

const configOf = ({ subject, ackWaitMs, mostInFlight }: ConsumerSettings): Config => ({
  ack_policy: 'explicit', ack_wait: ackWaitMs * 1e6, max_ack_pending: mostInFlight,
  ...(subject === undefined ? {} : { filter_subject: subject }),
});

/** Sees to it that a place which is there is one for these settings. Rejects with ERR_PERCORE_BROKER_REFUSED. */
async function suit(link: NatsLink, { config }: ConsumerInfo, settings: ConsumerSettings): Promise<void> {
  const { stream, name, subject } = settings;
  const filters = [config.filter_subject ?? '', ...config.filter_subjects ?? []].filter((each) => each !== '');
  const is = config.deliver_subject !== undefined ? 'is pushed to a subject'
    : config.ack_policy !== 'explicit' ? `acknowledges by "${config.ack_policy}"`
      : filters.join() !== (subject ?? '') ? `reads ${filters.length === 0 ? 'all subjects' : filters.join(', ')}` : '';
  if (is !== '') {
    throw new PercoreError(
      'ERR_PERCORE_BROKER_REFUSED',
      `cannot read stream "${stream}" as "${name}": the broker has a consumer of that name which ${is}, and not as it `
        + `is asked here${subject === undefined ? '' : ` for "${subject}"`}. Choose another name, or delete that one`,
      { argument: 'name', value: name },
    );
  }
  const wanted = configOf(settings);
  if (config.ack_wait === wanted.ack_wait && config.max_ack_pending === wanted.max_ack_pending) return;
  await link.manager.consumers.update(stream, name, { ...config, ...wanted });
}

/** Undefined where there is none. */
export async function findPlace(link: NatsLink, stream: string, name: string): Promise<ConsumerInfo | undefined> {
  try {
    return await link.manager.consumers.info(stream, name);
  } catch (error) {
    if (jetStreamCode(error) === NO_CONSUMER) return undefined;
    throw error;
  }
}

export async function removePlace(link: NatsLink, stream: string, name: string): Promise<void> {
  await link.manager.consumers.delete(stream, name).catch((error: unknown) => {
    if (jetStreamCode(error) !== NO_CONSUMER) throw error;
  });
}
