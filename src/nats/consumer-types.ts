/** What a consumer and its messages are for their user. */
import type { StepResult } from '../reactor/index.js';

/** A message of a stream, as a step is given it. */
export interface NatsMessage {
  /** The subject that it was published to, with range and bucket. */
  readonly subject: string;
  /** Its payload. It belongs to the step: nothing else reads or changes it. */
  readonly bytes: Uint8Array;
  /** The identifier under which it was stored; undefined where its publisher gave none. */
  readonly id: string | undefined;
  /** The bucket of its key, 0 to 1,023; -1 where the subject names none. */
  readonly bucket: number;
  /** Its place in the stream, from 1. */
  readonly sequence: number;
  /** How often the broker has given it out, from 1. */
  readonly deliveries: number;
  /** A header, or undefined: `header('traceparent')`. */
  header(name: string): string | undefined;
  /** Its bytes as text. */
  text(): string;
}

/** What a step may answer, as that of a task: it is acknowledged when the step is done. */
export type NatsStep = (message: NatsMessage) => StepResult;

/** What a consumer has done. Counts from 0 and only grow, but for `inFlight`. */
export interface NatsConsumerStatus {
  readonly stream: string;
  readonly name: string;
  /** Messages that the broker has given out to here, and that are not acknowledged. */
  readonly inFlight: number;
  /** Messages that have come, duplicates among them. */
  readonly received: number;
  /** Messages whose step is done. */
  readonly acknowledged: number;
  /** Given out again by the broker although they wait here or were done here: their step was not run for it. */
  readonly duplicates: number;
  /** Steps that have thrown. */
  readonly failed: number;
  /** Messages whose step has thrown `tries` times: the broker gives them out no more. */
  readonly givenUp: number;
  /** Messages given back to the broker unread, when it ended. */
  readonly givenBack: number;
}

/** Reads a stream, made by `createNatsConsumer`. It belongs to the thread that made it. */
export interface NatsConsumer {
  readonly stream: string;
  readonly name: string;
  /** Reads nothing more; resolves when the steps of what was read are done and acknowledged. */
  drain(): Promise<void>;
  /** Reads nothing more, and gives back what waits here. Its place at the broker remains. Twice is once. */
  close(): void;
  /** A fresh object. */
  status(): NatsConsumerStatus;
}
