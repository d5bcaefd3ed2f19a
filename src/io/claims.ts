/**
 * Who has the handlers of an endpoint. `duplexOf`, `lines`, `linkToQueue` and streams of Node's set handlers of an
 * endpoint and rely on them, so they claim them: what finds a handler that somebody else has set throws, and so does
 * who sets one afterwards. Without that the second would take the data of the first without a word.
 *
 * Users hold facades and claims belong to what is behind them, so each facade says here how to get there.
 */
import { PercoreError } from '../errors.js';

/** The handlers that can be claimed, as bits. */
export const ON_DATA = 1;
export const ON_END = 2;
export const ON_CLOSE = 4;

const NAMES: readonly [bit: number, name: string][] = [
  [ON_DATA, 'onData or onReceive'], [ON_END, 'onEnd'], [ON_CLOSE, 'onClose'],
];

export interface Claimable {
  /** Bits of the handlers that are set. */
  handlersSet: number;
  /** Bits of those that are claimed, and by whom. */
  handlersClaimed: number;
  claimedBy: string;
}

type Opener = (facade: object) => Claimable | undefined;

const openers: Opener[] = [];

/** For facades: how to get at what is behind one. */
export function addOpener(opener: Opener): void {
  openers.push(opener);
}

/** What is behind a facade whose handlers can be claimed; undefined for anything else. */
export function behind(facade: object): Claimable | undefined {
  for (const open of openers) {
    const endpoint = open(facade);
    if (endpoint !== undefined) return endpoint;
  }
  return undefined;
}

/** Notes that a user sets these handlers. Throws ERR_PERCORE_CLAIM when somebody has claimed one of them. */
export function noteHandler(endpoint: Claimable, bit: number): void {
  if ((endpoint.handlersClaimed & bit) !== 0) throw refusal(nameOf(bit), endpoint, endpoint.handlersClaimed & bit);
  endpoint.handlersSet |= bit;
}

/** Claims these handlers for `by`. Throws ERR_PERCORE_CLAIM, and claims nothing, when one of them is set or claimed. */
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
 * Has `set` set the handlers of what a user gave, through its public verbs, and claims them. Of what is none of our
 * endpoints nothing is known, so that is its own concern.
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
  const text = `${by}: ${owner} ${nameOf(taken)} of this endpoint already; use the one or the other`;
  return new PercoreError('ERR_PERCORE_CLAIM', text);
}

function nameOf(bits: number): string {
  return NAMES.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name).join(', ');
}
