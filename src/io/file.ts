/** What readers and writers of files have in common for users. How it works is in file-endpoint.ts. */
import { checkFunction, type PercoreError } from '../errors.js';
import type { WaitOptions } from '../waiting.js';
import { noteHandler, ON_CLOSE } from './claims.js';
import type { FileEndpoint, FileOptions, FileStatus } from './file-endpoint.js';

export type { FileOptions, FileStatus };

/**
 * A file that `io.openFile` has opened, or is just opening. Only the thread that opened it may use it. See `FileReader`
 * and `FileWriter`.
 */
export abstract class OpenFile {
  readonly #endpoint: FileEndpoint;

  constructor(endpoint: FileEndpoint) {
    this.#endpoint = endpoint;
  }

  /** The path as it was given. */
  get path(): string {
    return this.#endpoint.path;
  }

  /** Its descriptor; -1 until it is open, and after it is closed. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Bytes in one transfer, as given in the options. */
  get chunkBytes(): number {
    return this.#endpoint.chunkBytes;
  }

  /** True from `close`, the end, or an error on. The descriptor is closed a little later: see `onClose`. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** What was asked for, what is granted, and why the two differ. Allocates. */
  status(): FileStatus {
    return this.#endpoint.status();
  }

  /**
   * Sets the handler that is called once, after the descriptor is closed; with the error, if an error has closed it.
   */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_CLOSE);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /**
   * Resolves after the descriptor is closed. Rejects with the error that closed the file, with ERR_PERCORE_TIMEOUT
   * after `timeoutMs`, or with the reason of `signal`, if `options` has one.
   */
  closed(options?: WaitOptions): Promise<void> {
    return this.#endpoint.closed(options);
  }

  /** Closes the file at once. What is in flight is waited for and dropped; what only waits is lost. */
  close(): void {
    this.#endpoint.close();
  }
}
