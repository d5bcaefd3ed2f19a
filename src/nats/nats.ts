/** The bridge to a broker: `openNats`, and what it resolves with. */
import { invalidArgument, PercoreError } from '../errors.js';
import type { Protocol, Reactor, Runtime, Untyped } from '../reactor/index.js';
import { partyOf, type Party } from '../reactor/internal.js';
import type { Nats } from './bridge.js';
import { loadClient, type ClientManager } from './client.js';
import { cannotConnect, refusedBy } from './failures.js';
import { NatsLink } from './link.js';
import { checkLink, type NatsOptions } from './options.js';
import { patiently } from './patience.js';

const links = new WeakMap<Party, Map<string, NatsLink>>();

/**
 * Connects this reactor to a broker. A reactor has one connection to one broker, which carries all its publishers and
 * consumers. The connection is kept: when the broker goes away, connecting is tried again for ever, and whatever was
 * not confirmed is sent again. A reactor that stops reads no more and waits for what is under way, as `close` does.
 * `reactor` may also be the runtime, which stands for its main thread. The first call loads the client.
 *
 *     const nats = await openNats(reactor, { servers: ['nats://10.0.0.1:4222', 'nats://10.0.0.2:4222'] });
 *
 * Rejects with ERR_PERCORE_BROKER_UNAVAILABLE (the client is not installed, or nobody answers),
 * ERR_PERCORE_BROKER_REFUSED (credentials), ERR_PERCORE_NAME_TAKEN (it is connected already), ERR_PERCORE_CLOSED,
 * ERR_PERCORE_INVALID_ARGUMENT.
 */
export async function openNats<P extends Protocol = Untyped>(
  reactor: Reactor<P> | Runtime<P>, options: NatsOptions,
): Promise<Nats> {
  const party = partyOf(reactor as Reactor | Runtime);
  const { servers, answerMs, connect } = checkLink(options, party);
  if (party.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'the runtime is closed');
  const known = links.get(party) ?? new Map<string, NatsLink>();
  links.set(party, known);
  const key = [...servers].sort().join();
  if (known.has(key)) {
    const message = `this reactor is already connected to ${key}: use what openNats returned`;
    throw new PercoreError('ERR_PERCORE_NAME_TAKEN', message, { argument: 'servers', value: key });
  }
  const client = await loadClient();
  const connection = await client.connect(connect).catch((error: unknown) => {
    throw cannotConnect(error, servers);
  });
  try {
    const manager: ClientManager = await patiently(
      answerMs, () => party.isClosed, () => client.managerOf(connection),
    ).catch((error: unknown) => {
      throw refusedBy(error, `use JetStream at ${servers.join(', ')}`);
    });
    if (party.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'the runtime was closed meanwhile');
    const link: NatsLink = new NatsLink(
      reactor as Reactor | Runtime, party, client, connection, manager, client.streamsOf(connection), servers,
      answerMs, () => {
        if (known.get(key) === link) known.delete(key);
      },
    );
    known.set(key, link);
    if (party.id !== party.shared.reactors) (reactor as Reactor).onStop(() => link.drain());
    return link;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** The inner object of a bridge. Throws ERR_PERCORE_INVALID_ARGUMENT for anything else. */
export function linkOf(nats: Nats): NatsLink {
  if (nats instanceof NatsLink) return nats;
  throw invalidArgument('nats', nats, 'what openNats has resolved with');
}
