/**
 * Node's own sockets. They are loaded only when they are first needed, since every reactor would otherwise start 2 ms
 * later.
 */
export const nodeNet = (): typeof import('node:net') => process.getBuiltinModule('node:net');
