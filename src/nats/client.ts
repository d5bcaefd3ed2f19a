/**
 * The client of the broker, which users install beside percore. It is loaded when the first bridge is opened. Only the
 * parts that are used here are described, since the client's own types are missing where it is not installed.
 */
import { PercoreError } from '../errors.js';

export interface ClientHeaders {
  set(name: string, value: string): void;
  get(name: string): string;
  readonly code: number;
  encode(): Uint8Array;
}

export interface ClientMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: ClientHeaders | undefined;
}

/** What the broker has said of itself. Where it forbids something, with what that was. */
export interface BrokerError extends Error {
  readonly operation?: 'publish' | 'subscription';
  readonly subject?: string;
}

export interface ClientStatus {
  readonly type: string;
  readonly error?: BrokerError;
}

export interface ClientSubscription {
  unsubscribe(): void;
}

export interface ClientConnection {
  readonly info?: { readonly max_payload: number; readonly version: string } | undefined;
  publish(subject: string, data: Uint8Array, options?: { reply?: string; headers?: ClientHeaders }): void;
  subscribe(
    subject: string, options: { callback(error: Error | null, message: ClientMessage): void },
  ): ClientSubscription;
  flush(): Promise<void>;
  close(): Promise<void>;
  closed(): Promise<void | Error>;
  status(): AsyncIterable<ClientStatus>;
  getServer(): string;
}

/** A message that has to be acknowledged. */
export interface ClientDelivery {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: ClientHeaders | undefined;
  readonly seq: number;
  readonly info: { readonly deliveryCount: number; readonly stream: string; readonly timestampNanos: number };
  ack(): void;
  nak(delayMs?: number): void;
  term(reason?: string): void;
  working(): void;
}

export interface ClientDeliveries {
  close(): Promise<void | Error>;
  closed(): Promise<void | Error>;
  status(): AsyncIterable<{ readonly type: string }>;
}

export interface ConsumerInfo {
  readonly name: string;
  readonly config: {
    readonly opt_start_seq?: number;
    readonly ack_policy: string; readonly ack_wait?: number; readonly max_ack_pending?: number;
    /** Of a consumer that the broker pushes messages to. */
    readonly deliver_subject?: string;
    readonly filter_subject?: string; readonly filter_subjects?: readonly string[];
    readonly [option: string]: unknown;
  };
  readonly ack_floor: { readonly stream_seq: number };
  readonly num_ack_pending: number;
  readonly num_pending: number;
}

export interface StreamInfo {
  readonly created: string;
  readonly config: {
    readonly name: string; readonly retention: string; readonly subjects: readonly string[];
    /** In nanoseconds. */
    readonly duplicate_window?: number;
  };
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number };
}

export interface ClientManager {
  readonly streams: {
    info(name: string): Promise<StreamInfo>;
    find(subject: string): Promise<string>;
    add(config: object): Promise<StreamInfo>;
    update(name: string, config: object): Promise<StreamInfo>;
    purge(name: string, what: { readonly filter: string }): Promise<object>;
    getMessage(
      name: string, query: { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj: string },
    ): Promise<{ readonly data: Uint8Array; readonly seq: number; readonly header: ClientHeaders } | null>;
  };
  readonly consumers: {
    info(stream: string, name: string): Promise<ConsumerInfo>;
    add(stream: string, config: object): Promise<ConsumerInfo>;
    update(stream: string, name: string, config: object): Promise<ConsumerInfo>;
    delete(stream: string, name: string): Promise<boolean>;
    list(stream: string): AsyncIterable<ConsumerInfo | null>;
  };
  getAccountInfo(): Promise<object>;
}

export interface ClientStreams {
  readonly consumers: {
    get(stream: string, name: string): Promise<{
      consume(options: object): Promise<ClientDeliveries>;
    }>;
  };
}

export interface TableEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly operation: string;
}

/** A key-value bucket. */
export interface ClientTable {
  create(key: string, value: Uint8Array): Promise<number>;
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
  put(key: string, value: Uint8Array): Promise<number>;
  get(key: string): Promise<TableEntry | null>;
  delete(key: string): Promise<void>;
  watch(options?: object): Promise<AsyncIterable<TableEntry & { readonly delta?: number }> & { stop(): void }>;
}

export interface Client {
  connect(options: object): Promise<ClientConnection>;
  headers(): ClientHeaders;
  createInbox(): string;
  streamsOf(connection: ClientConnection): ClientStreams;
  managerOf(connection: ClientConnection): Promise<ClientManager>;
}

const PACKAGES = '@nats-io/transport-node @nats-io/jetstream';

/** Throws ERR_PERCORE_BROKER_UNAVAILABLE if the packages are not installed. */
export async function loadClient(): Promise<Client> {
  const transport = await load(() => import('@nats-io/transport-node'), PACKAGES);
  const jetstream = await load(() => import('@nats-io/jetstream'), PACKAGES);
  return {
    connect: (options) => transport.connect(options) as unknown as Promise<ClientConnection>,
    headers: () => transport.headers() as unknown as ClientHeaders,
    createInbox: () => transport.createInbox(),
    streamsOf: (connection) => jetstream.jetstream(connection as never) as unknown as ClientStreams,
    managerOf: (connection) => jetstream.jetstreamManager(connection as never) as unknown as Promise<ClientManager>,
  };
}

/** Opens a key-value bucket, and makes it if there is none. */
export async function openTable(
  connection: ClientConnection, name: string, options: { replicas: number },
): Promise<ClientTable> {
  const { Kvm } = await load(() => import('@nats-io/kv'), '@nats-io/kv');
  return await new Kvm(connection as never).create(name, { history: 1, ...options }) as unknown as ClientTable;
}

async function load<T>(from: () => Promise<T>, packages: string): Promise<T> {
  try {
    return await from();
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new PercoreError(
      'ERR_PERCORE_BROKER_UNAVAILABLE',
      `percore/nats needs the client of the broker, which is not installed: npm install ${packages}`, { cause },
    );
  }
}
