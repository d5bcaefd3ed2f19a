/** What users see of a consumer and its messages. */
import type { StepResult } from '../reactor/index.js';

/** A message of a stream, as it is passed to a step. */
export interface NatsMessage {
  /** The subject that it was published to, with range and bucket. */
  readonly subject: string;
  /** Its payload. It belongs to the step: nothing else reads or changes it. */
  readonly bytes: Uint8Array;
  /**
   * The identifier under which it was stored. Where its publisher gave none, it is made of the stream, the sequence and
   * the time, so it is the same whenever the message is given out. It has up to 100 letters of ASCII without spaces;
   * one that another program gave and that has others, or more, is replaced by its SHA-256.
   */
  readonly id: string;
  /** The bucket of its key, 0 to 1,023; -1 if the subject names none. */
  readonly bucket: number;
  /** Its position in the stream, from 1. */
  readonly sequence: number;
  /** How often the broker has given it out, from 1. */
  readonly deliveries: number;
  /** A header, or undefined: `header('traceparent')`. */
  header(name: string): string | undefined;
  /** Its bytes as text. */
  text(): string;
}

/** What a step may answer, as that of a task may. The message is acknowledged when the step is done. */
export type NatsStep = (message: NatsMessage) => StepResult;

/** What a consumer has done. All are counts from 0 that only grow, except `inFlight`. */
export interface NatsConsumerStatus {
  readonly stream: string;
  readonly name: string;
  /** Messages that the broker has given to this consumer and that are not yet acknowledged. */
  readonly inFlight: number;
  /** Messages that have come, duplicates among them. */
  readonly received: number;
  /** Messages whose step is done. */
  readonly acknowledged: number;
  /** Messages that the broker gave out again although they wait here or are done. Their step did not run again. */
  readonly duplicates: number;
  /** Steps that have thrown. */
  readonly failed: number;
  /** Messages whose step has thrown `tries` times. The broker no longer gives them out. */
  readonly givenUp: number;
  /** Messages that were given back to the broker unread when the consumer ended. */
  readonly givenBack: number;
}

/** Reads a stream, made by `createNatsConsumer`. It belongs to the thread that made it. */
export interface NatsConsumer {
  readonly stream: string;
  readonly name: string;
  /** Stops reading. Resolves when the steps of what was read are done and acknowledged. */
  drain(): Promise<void>;
  /** Stops reading, and gives back what waits here. Its position at the broker remains. A second call does nothing. */
  close(): void;
  /** A fresh object. */
  status(): NatsConsumerStatus;
}
