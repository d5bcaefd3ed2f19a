/** A host as native takes it: an address in numbers. 'localhost' is the one name known here, since others are for a resolver. */
import { invalidArgument } from '../errors.js';

/** Throws ERR_PERCORE_INVALID_ARGUMENT for what is no text; native refuses what is no address. */
export function internetHost(argument: string, host = '127.0.0.1'): string {
  if (typeof host !== 'string') throw invalidArgument(argument, host, 'an IPv4 or IPv6 address');
  return host === 'localhost' ? '127.0.0.1' : host;
}
