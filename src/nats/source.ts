/** Where a consumer's messages come from: its place at the broker is opened, and looked for again when it is lost. */
import { messageOf, PercoreError } from '../errors.js';
import type { ClientDeliveries, ClientDelivery } from './client.js';
import { makePlace } from './consumer-place.js';
import type { NatsLink } from './link.js';
import type { ConsumerSettings } from './options.js';

/** How a consumer is known to the broker, where it is not a user's own. */
export interface ConsumerPlace {
  /** The first sequence that it is given, where the broker does not know it yet. */
  readonly start?: number | undefined;
  /** When the stream was made in which that counts. */
  readonly created?: string;
  /** Steps for messages of one subject run one after the other, however many may run at once. */
  readonly isInTurn?: boolean;
  /** Whoever makes it sees to its name; it is not made anew where the broker has lost it. */
  readonly isFenced?: boolean;
  /** It is not read any more, and nobody here has said so: such a consumer has to be made anew. */
  readonly onLost?: () => void;
}

export interface SourceHost {
  /** The first sequence that may not be done; undefined where nothing was given out. */
  readonly firstOpen: number | undefined;
  receive(message: ClientDelivery): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  /** The stream was made anew, and counts from 1 again. */
  forgetAll(): void;
}

const LOOK_AGAIN_MS = 500;
/**
 * So long one request for messages holds, and so often the broker says meanwhile that it has none. Where a consumer had
 * no leader when it was asked for, the client waits as long before it asks again.
 */
const EXPIRES_MS = 5000;
const HEARTBEAT_MS = 2000;

export class StreamSource {
  /** What comes is taken. */
  isReading = true;
  private isOver = false;
  private isOpening = false;
  /** Counts the times that it has stopped to read: what was opened before is not read. */
  private pauses = 0;
  private deliveries: ClientDeliveries | undefined;
  private again: NodeJS.Timeout | undefined;
  /** When the stream was made. */
  private created = '';
  /** What counts as new, for one that begins with that and whose place is lost before it has had anything. */
  private firstNew = 1;

  constructor(
    private readonly link: NatsLink, private readonly settings: ConsumerSettings,
    private readonly place: ConsumerPlace, private readonly host: SourceHost,
  ) {}

  /** Makes its place where the broker has none, and reads. Rejects with ERR_PERCORE_BROKER_REFUSED. */
  async open(): Promise<void> {
    const { link, settings, place, host } = this;
    const { stream, name, mostInFlight } = settings;
    const { pauses } = this;
    this.isOpening = true;
    try {
      const { created, config, state } = await link.manager.streams.info(stream);
      if (created !== (place.created ?? created)) throw new Error('it was deleted and made anew at this moment');
      const isFirst = this.created === '';
      if (created !== this.created) {
        host.forgetAll();
        this.firstNew = isFirst ? state.last_seq + 1 : 1;
      }
      this.created = created;
      const start = place.start ?? host.firstOpen
        ?? (isFirst || settings.from === 'all' ? undefined : this.firstNew);
      await makePlace(link, settings, config.retention === 'workqueue', start);
      const consumer = await link.streams.consumers.get(stream, name);
      const deliveries = await consumer.consume({
        max_messages: mostInFlight, callback: (message: ClientDelivery) => host.receive(message),
        expires: EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS, abort_on_missing_resource: true,
      });
      if (!this.isReading || pauses !== this.pauses) return void deliveries.close();
      this.deliveries = deliveries;
      void deliveries.closed().then((error) => this.stopped(deliveries, error));
    } catch (error) {
      if (error instanceof PercoreError) throw error;
      throw link.refusal(error, `read stream "${stream}" as "${name}"`, stream);
    } finally {
      this.isOpening = false;
    }
  }

  /** The client has stopped: the consumer or the stream was deleted, or this one has ended. */
  private stopped(deliveries: ClientDeliveries, error: void | Error): void {
    if (this.deliveries === deliveries) this.deliveries = undefined;
    if (!this.isReading || this.link.isClosed) return;
    if (this.place.isFenced === true) return this.place.onLost?.();
    const { stream, name } = this.settings;
    const why = error instanceof Error ? messageOf(error) : 'it was ended';
    this.note(new PercoreError(
      'ERR_PERCORE_BROKER_REFUSED',
      `consumer "${name}" of stream "${stream}" cannot be read (${why}), and is made anew as soon as may be`,
    ));
    this.openLater(LOOK_AGAIN_MS);
  }

  private openLater(afterMs: number): void {
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      if (!this.isReading || this.deliveries !== undefined) return;
      if (this.isOpening) return this.openLater(LOOK_AGAIN_MS);
      this.open().catch((error: PercoreError) => {
        this.note(error);
        if (this.isReading) this.openLater(LOOK_AGAIN_MS);
      });
    }, afterMs);
  }

  private note(error: PercoreError): void {
    this.link.note(error, `consumer "${this.settings.name}"`);
  }

  // ---- The connection -----------------------------------------------------------------------------------------------

  offline(): void {
    // What was on its way would come behind newer messages; it begins anew, or whoever made it does.
    if (this.place.isFenced === true) this.stop();
    else if (this.settings.isOnlyReader) this.pause();
  }

  online(): void {
    if (!this.settings.isOnlyReader || this.isOver) return;
    // What it has goes first. What it acknowledges meanwhile the broker has before it is asked.
    void this.host.idle().then(() => {
      if (this.isOver || !this.link.isOnline || this.isReading) return;
      this.isReading = true;
      this.openLater(0);
    });
  }

  private pause(): void {
    this.isReading = false;
    this.pauses++;
    clearTimeout(this.again);
    void this.deliveries?.close();
    this.deliveries = undefined;
  }

  /** From now on nothing is read. */
  stop(): void {
    this.isOver = true;
    if (this.isReading) this.pause();
  }
}
