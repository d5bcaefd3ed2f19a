/** The file of the entry that opens the control of each reactor: it lies beside this module, also in the package. */
import { pathToFileURL } from 'node:url';
import { programPath } from '../native.js';

/**
 * An entry for `createRuntime` that opens the control of each reactor and does nothing else: for topologies whose
 * programs are all in modules of their own. A bundled application names an entry of its own that calls
 * `openControl(reactor)`.
 */
export const controlEntry: URL = pathToFileURL(programPath(import.meta.url, 'control-entry.js'));
