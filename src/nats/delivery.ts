/** A message that was given to this consumer and is not yet acknowledged. */
import { createHash } from 'node:crypto';
import type { ClientDelivery } from './client.js';
import type { NatsMessage } from './consumer-types.js';
import { bucketIn } from './subjects.js';

/** Others may give identifiers that cannot be made into those of results, '<its id>-result'. */
const FITS = /^[\x21-\x7e]{1,100}$/;

export class Delivery implements NatsMessage {
  failures = 0;
  /** Its stream was deleted: the broker does not know it any more. */
  isOrphan = false;

  constructor(public message: ClientDelivery, readonly sequence: number) {}

  get subject(): string { return this.message.subject; }
  get bytes(): Uint8Array { return this.message.data; }
  get id(): string {
    const given = this.header('Nats-Msg-Id');
    if (given === undefined) return this.place();
    return FITS.test(given) ? given : `sha256-${createHash('sha256').update(given).digest('base64url')}`;
  }
  get bucket(): number { return bucketIn(this.message.subject); }
  get deliveries(): number { return this.message.info.deliveryCount; }

  /** The time is part of it, since a stream that is made anew counts from 1 again. */
  private place(): string {
    const { info: { stream, timestampNanos }, seq } = this.message;
    return `${stream}-${seq}-${timestampNanos}`;
  }

  header(name: string): string | undefined {
    return this.message.headers?.get(name) || undefined;
  }

  text(): string {
    const { data } = this.message;
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
  }
}
