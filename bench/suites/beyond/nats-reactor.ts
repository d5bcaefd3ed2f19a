/** Of row `nats`: a reactor that has nothing to do; the bridge is the main thread's, as the bare client is. */
export default function start(): void {}
