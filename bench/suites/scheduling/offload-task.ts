/** The task that percore's pool runs. */
export { spin as default } from './offload-loop.js';
