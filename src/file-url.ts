/** What may name a user's module: a file URL (a URL object of any realm, or text) or an absolute path. */
import { pathToFileURL } from 'node:url';

/**
 * The URL of that module; undefined for anything else. URLs of other realms count, since a test runner may have one.
 */
export function fileUrlOf(module: unknown): URL | undefined {
  const url = urlOf(module);
  return url?.protocol === 'file:' ? url : undefined;
}

function urlOf(module: unknown): URL | undefined {
  try {
    if (typeof module === 'object' && module !== null && 'href' in module) return new URL(String(module.href));
    if (typeof module !== 'string') return undefined;
    return module.startsWith('file:') ? new URL(module) : module.startsWith('/') ? pathToFileURL(module) : undefined;
  } catch {
    return undefined;
  }
}
