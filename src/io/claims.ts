/**
 * Who has the handlers of an endpoint. `duplexOf`, `lines`, `linkToQueue` and Node streams set handlers of an endpoint
 * and rely on them, so they claim them. If somebody else has set a handler that is to be claimed, or sets a handler
 * that is claimed, that throws. Otherwise the second one would silently take the data of the first.
 *
 * Users hold facades, while claims belong to the endpoint behind a facade; so each facade says here how to get there.
 */
import { PercoreError } from '../errors.js';

/** The handlers that can be claimed, one bit each. */
export const ON_DATA = 1;
export const ON_END = 2;
export const ON_CLOSE = 4;

const NAMES: readonly [bit: number, name: string][] = [
  [ON_DATA, 'onData or onReceive'], [ON_END, 'onEnd'], [ON_CLOSE, 'onClose'],
];

export interface Claimable {
  /** The handlers that are set, as bits. */
  handlersSet: number;
  /** The handlers that are claimed, as bits; `claimedBy` says by whom. */
  handlersClaimed: number;
  claimedBy: string;
  /** Reports the rejection of a promise that one of its handlers has returned. Other values mean nothing. */
  follow(result: unknown): void;
}

type Opener = (facade: object) => Claimable | undefined;

const openers: Opener[] = [];

/** For facades: tells how to get from a facade to the endpoint behind it. */
export function addOpener(opener: Opener): void {
  openers.push(opener);
}

/** The endpoint behind a facade, if its handlers can be claimed; undefined for anything else. */
export function behind(facade: object): Claimable | undefined {
  for (const open of openers) {
    const endpoint = open(facade);
    if (endpoint !== undefined) return endpoint;
  }
  return undefined;
}

/** Notes that a user sets this handler. Throws ERR_PERCORE_CLAIM when somebody has claimed it. */
export function noteHandler(endpoint: Claimable, bit: number): void {
  if ((endpoint.handlersClaimed & bit) !== 0) throw refusal(nameOf(bit), endpoint, endpoint.handlersClaimed & bit);
  endpoint.handlersSet |= bit;
}

/**
 * Claims these handlers for `by`. If one of them is already set or claimed, it throws ERR_PERCORE_CLAIM and claims
 * nothing.
 */
export function claimHandlers(endpoint: Claimable, bits: number, by: string): void {
  checkClaim(endpoint, bits, by);
  endpoint.handlersClaimed |= bits;
  endpoint.claimedBy = by;
}

function checkClaim(endpoint: Claimable, bits: number, by: string): void {
  const taken = (endpoint.handlersSet | endpoint.handlersClaimed) & bits;
  if (taken !== 0) throw refusal(by, endpoint, taken);
}

/**
 * Calls `set`, which sets handlers through the public verbs of what a user gave, and then claims these handlers.
 * Nothing is known of a facade that is not one of ours, so it has to look after its own handlers.
 */
export function setAndClaim(facade: object, bits: number, by: string, set: () => void): void {
  const endpoint = behind(facade);
  if (endpoint !== undefined) checkClaim(endpoint, bits, by);
  set();
  if (endpoint !== undefined) {
    endpoint.handlersClaimed |= bits;
    endpoint.claimedBy = by;
  }
}

function refusal(by: string, endpoint: Claimable, taken: number): PercoreError {
  const isClaimed = (endpoint.handlersClaimed & taken) !== 0;
  const owner = isClaimed ? `${endpoint.claimedBy} has taken` : 'somebody has set';
  const text = `${by}: ${owner} ${nameOf(taken)} of this endpoint already; use only one of the two`;
  return new PercoreError('ERR_PERCORE_CLAIM', text);
}

function nameOf(bits: number): string {
  return NAMES.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name).join(', ');
}
