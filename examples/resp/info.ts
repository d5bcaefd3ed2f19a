/**
 * INFO: figures of the whole server, in the sections and names of redis where there is one, and a line for each
 * reactor.
 */
import { argumentText, type Arguments } from './arguments.js';
import { at, type Field } from './counters.js';
import type { ReplyWriter } from './reply-writer.js';
import type { Server } from './server.js';

/** The release of redis-server whose replies and errors these are. */
export const VERSION = '7.0.0';

export function writeInfo(server: Server, args: Arguments, reply: ReplyWriter): void {
  server.publishFigures();
  const asked = new Set(Array.from({ length: args.count - 1 }, (_, i) => argumentText(args, i + 1).toLowerCase()));
  const isAll = asked.size === 0 || asked.has('all') || asked.has('default') || asked.has('everything');
  const sections = Object.entries(sectionsOf(server)).filter(([name]) => isAll || asked.has(name.toLowerCase()));
  reply.bulkText(
    sections.map(([name, lines]) => `# ${name}\r\n${lines.map((line) => `${line}\r\n`).join('')}`).join('\r\n'),
  );
}

function sectionsOf(server: Server): Record<string, string[]> {
  const { counters } = server;
  const sum = (field: Field): number => counters.sum(field);
  const memory = process.memoryUsage();
  return {
    Server: [
      `redis_version:${VERSION}`, 'redis_mode:standalone', 'server_name:percore-resp',
      `node_version:${process.version}`, `process_id:${process.pid}`, `tcp_port:${server.options.port?.() ?? 0}`,
      `uptime_in_seconds:${Math.floor((Date.now() - server.startedMs) / 1000)}`, `reactors:${server.reactors}`,
    ],
    Clients: [`connected_clients:${sum('connections')}`, `blocked_by_slow_reading:${sum('blocked')}`],
    Memory: [`used_memory:${memory.heapUsed + memory.arrayBuffers}`, `used_memory_rss:${memory.rss}`],
    Stats: [
      `total_connections_received:${sum('connectionsReceived')}`, `total_commands_processed:${sum('commands')}`,
      `commands_of_other_reactors:${sum('remoteCommands')}`, `total_net_input_bytes:${sum('bytesIn')}`,
      `expired_keys:${sum('expired')}`, `keyspace_hits:${sum('hits')}`, `keyspace_misses:${sum('misses')}`,
      `pubsub_channels:${sum('channels')}`, `failed_commands:${sum('failed')}`,
      `client_output_buffer_limit_disconnections:${sum('overfull') + sum('slowSubscribers')}`,
      `slow_subscribers_closed:${sum('slowSubscribers')}`, `protocol_errors:${sum('protocolErrors')}`,
    ],
    Reactors: Array.from({ length: server.reactors }, (_, id) => {
      const row = counters.rowOf(id);
      const figure = (field: Field): number => row[at(field)]!;
      const clients = `connections=${figure('connections')},commands=${figure('commands')}`;
      const keys = `keys=${figure('keys')},expires=${figure('expiring')},channels=${figure('channels')}`;
      return `reactor${id}:${clients},${keys}`;
    }),
    Keyspace: sum('keys') === 0 ? [] : [`db0:keys=${sum('keys')},expires=${sum('expiring')},avg_ttl=0`],
  };
}
