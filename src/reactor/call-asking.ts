/**
 * Which party a call goes to, and whether it may be made: what calls and streams of reactors, runtimes and contexts
 * share.
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { hashKey } from './buckets.js';
import type { AskedCall, Asker } from './call-asked.js';
import type { Incoming } from './call-incoming.js';
import type { CallService } from './call-service.js';
import type { CallOptions } from './calls.js';
import { checkName } from './names.js';
import { checkBand, checkKey } from './reactor-checks.js';

/** What it needs of its party. */
export interface AskingHost {
  readonly isClosed: boolean;
  readonly calls: CallService;
  checkParty(reactor: number | 'main'): number;
  nextLiving(): number;
  ownerOfHash(hash: number): number;
}

export class Asking implements Asker {
  constructor(private readonly party: AskingHost) {}

  /** See `Reactor.call`. The keys of the options have been checked. */
  call(name: string, argument: unknown, options: CallOptions, within: AskedCall | undefined): Promise<unknown> {
    try {
      this.check(name);
      return this.party.calls.call(
        name, argument, this.choose(options), checkBand(options.priority), options, within,
      );
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** See `callStream`. */
  stream(
    name: string, argument: unknown, options: CallOptions, credits: number, within: AskedCall | undefined,
  ): Incoming {
    this.check(name);
    return this.party.calls.stream(
      name, argument, this.choose(options), checkBand(options.priority), options, within, credits,
    );
  }

  /** The reactor that owns this key's bucket. */
  ownerOf(key: string | Uint8Array): number {
    return this.party.ownerOfHash(hashKey(typeof key === 'string' ? Buffer.from(key) : checkKey(key)));
  }

  private check(name: string): void {
    checkName('name', name);
    if (this.party.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', `call("${name}"): the runtime is closed`);
  }

  private choose({ reactor, key }: CallOptions): number {
    if (reactor !== undefined) {
      if (key === undefined) return this.party.checkParty(reactor);
      throw invalidArgument('key', key, 'left out where reactor is given: the two may name different reactors');
    }
    return key === undefined ? this.party.nextLiving() : this.ownerOf(key);
  }
}
