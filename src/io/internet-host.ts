/**
 * A host in the form that native code takes: an address in numbers. 'localhost' is the only name known here; other
 * names need a resolver.
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { nodeNet } from './node-net.js';

const ALLOWED = "an IPv4 or IPv6 address ('127.0.0.1', '::1', 'fe80::1%eth0') or 'localhost'";

/**
 * Throws ERR_PERCORE_INVALID_ARGUMENT if `host` is not an address. Whether its zone is a network interface of this
 * machine is found out by native code.
 */
export function internetHost(argument: string, host = '127.0.0.1'): string {
  if (host === 'localhost') return '127.0.0.1';
  if (typeof host === 'string' && (nodeNet().isIP(host) !== 0 || hasZone(host))) return host;
  const error = invalidArgument(argument, host, ALLOWED);
  if (typeof host !== 'string' || !/^[a-z\d_]([a-z\d_.-]*[a-z\d])?\.?$/i.test(host)) throw error;
  // The text looks like a host name.
  const remedy = `const { address } = await dns.promises.lookup(${JSON.stringify(host)})`;
  const text = `${error.message}. Names are not looked up here: do so before, ${remedy}`;
  throw new PercoreError(error.code, text, { argument, value: host, allowed: ALLOWED });
}

/** The same as Node's isIPv6, but also for zones with characters that Node does not expect, such as "veth_1". */
function hasZone(host: string): boolean {
  const percent = host.indexOf('%');
  return percent > 0 && percent < host.length - 1 && !host.includes('\0') && nodeNet().isIPv6(host.slice(0, percent));
}
