/** A Percore connection as a session's transport: the one place of this sample that knows both. */
import type { Connection, Reactor } from 'percore';
import type { Server } from './server.js';
import { Session } from './session.js';
import type { Transport } from './transport.js';

/**
 * How long a client may take to close after our end. Then it is closed, so that one which never does costs nothing.
 */
const LINGER_NS = 1e9;

export function serve(reactor: Reactor, server: Server, connection: Connection): void {
  let isEnding = false;
  const transport: Transport = {
    offer: (bytes, offset, length) => connection.offer(bytes, offset, length),
    whenWritable: (then) => void connection.room().then(then),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    close: () => connection.close(),
    end: () => {
      if (isEnding) return;
      isEnding = true;
      // Reads on and lets go what comes: closing over unread bytes would reset the connection, and the client might
      // lose the last replies.
      connection.resume();
      connection.end();
      void connection.flushed().then(() => {
        if (!connection.isClosed) reactor.timers.after({ delayNs: LINGER_NS }, () => connection.close());
      });
    },
  };
  const session = new Session(server, transport);
  connection.onReceive((bytes, offset, length) => session.receive(bytes, offset, length));
  connection.onEnd(() => session.noteEnd());
  connection.onClose(() => session.noteClosed());
}
