/** What may name a module of the user's: a file URL, also as text or of another realm, or an absolute path. */
import { pathToFileURL } from 'node:url';

/** Its URL; undefined for anything else. A URL of another realm is one too: a test runner may have its own. */
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
