/**
 * A host as native takes it: an address in numbers. 'localhost' is the one name known here, since others are for a
 * resolver.
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { nodeNet } from './node-net.js';

const ALLOWED = "an IPv4 or IPv6 address ('127.0.0.1', '::1', 'fe80::1%eth0') or 'localhost'";

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT for what is no address. Whether there is such a network interface as its zone,
 * native says.
 */
export function internetHost(argument: string, host = '127.0.0.1'): string {
  if (host === 'localhost') return '127.0.0.1';
  if (typeof host === 'string' && (nodeNet().isIP(host) !== 0 || hasZone(host))) return host;
  const error = invalidArgument(argument, host, ALLOWED);
  if (typeof host !== 'string' || !/^[a-z\d_]([a-z\d_.-]*[a-z\d])?\.?$/i.test(host)) throw error;
  // It looks like a name.
  const remedy = `const { address } = await dns.promises.lookup(${JSON.stringify(host)})`;
  const text = `${error.message}. Names are not looked up here: do so before, ${remedy}`;
  throw new PercoreError(error.code, text, { argument, value: host, allowed: ALLOWED });
}

/** The same as isIPv6 of Node for zones with characters that it does not expect, as "veth_1". */
function hasZone(host: string): boolean {
  const percent = host.indexOf('%');
  return percent > 0 && percent < host.length - 1 && !host.includes('\0') && nodeNet().isIPv6(host.slice(0, percent));
}
