/** What the client and the broker say is wrong, turned into errors that name the fix. */
import { messageOf, PercoreError } from '../errors.js';

/** Codes that the broker gives for errors of JetStream. */
export const TOO_LARGE_FOR_STREAM = 10054;
/**
 * What the broker will not take either when it is sent again, since the reason lies in the message: it is too large, or
 * so are its headers; what it expects of the stream (`Nats-Expected-…`) is not so; a roll-up that the stream does not
 * allow; a time to live that makes no sense, or that the stream does not have.
 */
const NEVER_TAKEN = [TOO_LARGE_FOR_STREAM, 10097, 10060, 10070, 10071, 10164, 10111, 10165, 10166];
export const NO_STREAM = 10059;
const NOT_ENABLED = [10076, 10039];
export const NO_CONSUMER = 10014;
export const WRONG_SEQUENCE = 10071;
/** The stream is full, or the disk is. */
const FULL = [10023, 10047, 10077, 10122];

/** The broker's number for an error of JetStream, or 0. */
export function jetStreamCode(error: unknown): number {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : 0;
}

export const isNeverTaken = (code: number): boolean => NEVER_TAKEN.includes(code);

/** For whatever wants a connection to the broker that the program has closed. */
export const linkClosed = (cause?: unknown): PercoreError =>
  new PercoreError(
    'ERR_PERCORE_CLOSED', 'the connection to the broker is closed', cause === undefined ? {} : { cause },
  );

/** What `openNats` rejects with. */
export function cannotConnect(cause: unknown, servers: readonly string[]): PercoreError {
  const where = servers.join(', ');
  const why = messageOf(cause);
  if (isAuthorization(cause)) {
    return new PercoreError(
      'ERR_PERCORE_BROKER_REFUSED',
      `the broker at ${where} has refused these credentials (${why}): give the right `
        + '`user` and `pass`, or `token`',
      { argument: 'servers', value: where, cause },
    );
  }
  if (isCertificate(cause)) {
    return new PercoreError(
      'ERR_PERCORE_BROKER_REFUSED',
      `the certificate of the broker at ${where} is not to be trusted (${why}): give the one that has signed it as `
        + '`client: { tls: { ca } }`',
      { argument: 'servers', value: where, cause },
    );
  }
  return new PercoreError(
    'ERR_PERCORE_BROKER_UNAVAILABLE',
    `no broker answers at ${where} (${why}): start one there, as by `
      + '`nats-server --jetstream`, or give its address as `servers`',
    { argument: 'servers', value: where, cause },
  );
}

export function isAuthorization(error: unknown): boolean {
  return error instanceof Error && /^(?:Authorization|UserAuthenticationExpired)Error$/.test(error.name);
}

/** Node's names for what is wrong with a certificate. */
function isCertificate(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /CERT|^UNABLE_TO|^ERR_TLS_/.test(code) || /certificate/.test(error.message)
    || isCertificate(error.cause);
}

/** What the broker has answered, in words with a fix. `what`: 'publish to "orders.7"'. */
export function refusedBy(cause: unknown, what: string, stream?: string): PercoreError {
  const why = messageOf(cause);
  const refused = (said: string): PercoreError =>
    new PercoreError('ERR_PERCORE_BROKER_REFUSED', `cannot ${what}: ${said}`, { cause });
  const code = jetStreamCode(cause);
  if (code === NO_STREAM) {
    return refused(`there is no stream${stream === undefined ? '' : ` "${stream}"`}; make it by ensureStream(…)`);
  }
  if (NOT_ENABLED.includes(code) || /jetstream (?:is )?not enabled/i.test(why)) {
    return refused('the broker was started without JetStream; start it by `nats-server --jetstream`');
  }
  if (FULL.includes(code)) {
    return refused(`${why} (${code}): the stream or the disk is full, until messages are acknowledged or deleted`);
  }
  if (code === TOO_LARGE_FOR_STREAM) {
    return refused(`${why}: raise \`max_msg_size\` of the stream, or send less at a time`);
  }
  if (isNeverTaken(code)) return refused(`${why} (${code}), because of its headers; it would never be taken`);
  if (isNamed(cause, 'PermissionViolationError')) {
    return refused(`the broker does not permit it to this user (${why}): let its \`permissions\` allow it`);
  }
  if (isTimeout(cause)) {
    return refused('the broker has not answered in time. Where it is one of a cluster, a majority of them must be '
      + 'there');
  }
  if (isNoResponders(cause)) {
    return refused('nobody takes it: no stream has that subject, a cluster has no leader yet, or the broker was '
      + 'started without JetStream. Make the stream by ensureStream(…)');
  }
  return refused(code === 0 ? why : `${why} (${code})`);
}

/** The client has waited for an answer in vain. */
export const isTimeout = (error: unknown): boolean => isNamed(error, 'TimeoutError');

/** Neither the broker nor the client's own rights have decided it: the connection was lost, or nobody was there. */
export const isUnanswered = (error: unknown): boolean =>
  jetStreamCode(error) === 0 && !isNamed(error, 'PermissionViolationError');

/** It, or what it was caused by. */
function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && (error.name === name || isNamed(error.cause, name));
}

function isNoResponders(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'NoRespondersError' || /no responders/i.test(error.message)
    || (error.cause !== undefined && isNoResponders(error.cause));
}
