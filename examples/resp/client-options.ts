/** How a client connects, and what it may take. */
export interface RespClientOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Commands that may wait for their replies: 1 to 2^20, default 65,536. Beyond it `command` rejects with BUSY. */
  readonly mostWaiting?: number;
  /**
   * Bytes of commands that the connection has not taken yet: 1 to 2^30, default 64 MiB. Beyond it `command` rejects
   * with BUSY.
   */
  readonly mostUnsentBytes?: number;
  /**
   * How long the oldest reply is waited for, the connecting included: 1 to 2^31 - 1, default 30,000. Then the
   * connection is closed.
   */
  readonly timeoutMs?: number;
}

/** The limits, those left out with their defaults. Throws RangeError for what is not allowed. */
export function checkedLimits(
  options: RespClientOptions,
): Required<Pick<RespClientOptions, 'mostWaiting' | 'mostUnsentBytes' | 'timeoutMs'>> {
  return {
    mostWaiting: wholeNumber('mostWaiting', options.mostWaiting ?? 65_536, 2 ** 20),
    mostUnsentBytes: wholeNumber('mostUnsentBytes', options.mostUnsentBytes ?? 2 ** 26, 2 ** 30),
    timeoutMs: wholeNumber('timeoutMs', options.timeoutMs ?? 30_000, 2 ** 31 - 1),
  };
}

function wholeNumber(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new RangeError(`${name} is ${String(value)}, allowed are whole numbers from 1 to ${most}`);
}
