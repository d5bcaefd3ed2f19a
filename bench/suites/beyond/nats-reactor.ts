/** For row `nats`: a reactor that has nothing to do. The bridge is in the main thread, as the bare client is. */
export default function start(): void {}
