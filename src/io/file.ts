/** What readers and writers of files show users alike. How it works is in file-endpoint.ts. */
import { checkFunction, type PercoreError } from '../errors.js';
import type { WaitOptions } from '../waiting.js';
import { noteHandler, ON_CLOSE } from './claims.js';
import type { FileEndpoint, FileOptions, FileStatus } from './file-endpoint.js';

export type { FileOptions, FileStatus };

/** A file that `io.openFile` has opened, or opens just now; for the thread that did. See `FileReader`, `FileWriter`. */
export abstract class OpenFile {
  readonly #endpoint: FileEndpoint;

  constructor(endpoint: FileEndpoint) {
    this.#endpoint = endpoint;
  }

  /** As it was given. */
  get path(): string {
    return this.#endpoint.path;
  }

  /** Its descriptor; -1 until it is open, and after it is closed. */
  get fd(): number {
    return this.#endpoint.fd;
  }

  /** Bytes of one transfer, as the options said. */
  get chunkBytes(): number {
    return this.#endpoint.chunkBytes;
  }

  /** True from `close`, the end or an error on; the descriptor is given back a little later, see `onClose`. */
  get isClosed(): boolean {
    return this.#endpoint.isClosed;
  }

  /** The error that closed it, if one did. */
  get error(): PercoreError | undefined {
    return this.#endpoint.error;
  }

  /** What was asked for, what is granted, and why not. Allocates. */
  status(): FileStatus {
    return this.#endpoint.status();
  }

  /** Called once, after the descriptor is closed; with the error, if one closed it. */
  onClose(handler: (error: PercoreError | undefined) => void): this {
    checkFunction('handler', handler);
    noteHandler(this.#endpoint, ON_CLOSE);
    this.#endpoint.closeHandler = handler;
    return this;
  }

  /**
   * Resolves after the descriptor is closed; rejects with the error that closed it, and with ERR_PERCORE_TIMEOUT or the
   * signal's reason if `options` says so.
   */
  closed(options?: WaitOptions): Promise<void> {
    return this.#endpoint.closed(options);
  }

  /** Ends at once; what is in flight is waited for and dropped. */
  close(): void {
    this.#endpoint.close();
  }
}
