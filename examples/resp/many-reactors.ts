/** Commands whose keys live in several reactors, or that concern all of them: taken apart, worked, put together. */
import type { Arguments } from './arguments.js';
import type { Command } from './command-table.js';
import { Gather, type Receiver, type Slot } from './reply-queue.js';
import type { ReplyWriter } from './reply-writer.js';
import type { Server } from './server.js';
import { Subset } from './subset.js';

/** The client that asks. */
export interface Spreading {
  readonly server: Server;
  /** A place in the order of its replies. */
  openSlot(): Slot;
  /** After a request to that reactor: the client stops while the outbox there is full. */
  mindRoom(owner: number): void;
}

/**
 * Has each reactor that owns some of the keys work its share of the command. This is not atomic: each share is worked
 * by itself.
 */
export function runOnOwners(client: Spreading, command: Command, args: Arguments, writer: ReplyWriter): void {
  const { server } = client;
  const { id, reactors } = server;
  const shares =
    reactors === 1 ? undefined : Subset.split(args, command.keyStep, reactors, (index) => server.ownerOf(args, index));
  if (shares === undefined || shares[id]?.count === args.count) return command.step!(args, writer, server.keys);
  const gather = new Gather(command, client.openSlot(), server.replyBytes, server.describe);
  const parts = shares.map((share) => (share === undefined ? undefined : gather.part(share.places)));
  for (let owner = 0; owner < shares.length; owner++) {
    const share = shares[owner];
    if (share === undefined || owner === id) continue;
    server.peers!.request(owner, command.index, share, parts[owner]!);
    client.mindRoom(owner);
  }
  takeOwnShare(server, command, shares[id], parts[id]);
}

/** Has every reactor that lives work the command. */
export function runEverywhere(client: Spreading, command: Command, args: Arguments, writer: ReplyWriter): void {
  const { server } = client;
  const { id, reactors } = server;
  if (reactors === 1) return server.execute(command.index, args, writer);
  const gather = new Gather(command, client.openSlot(), server.replyBytes, server.describe);
  const parts = Array.from({ length: reactors }, (_, owner) =>
    owner !== id && server.peers!.isDead(owner) ? undefined : gather.part([]),
  );
  for (const [owner, part] of parts.entries()) {
    if (owner === id || part === undefined) continue;
    server.peers!.request(owner, command.index, args, part);
    client.mindRoom(owner);
  }
  takeOwnShare(server, command, args, parts[id]);
}

function takeOwnShare(
  server: Server, command: Command, share: Arguments | undefined, part: Receiver | undefined,
): void {
  if (share === undefined || part === undefined) return;
  const { scratch } = server;
  server.execute(command.index, share, scratch);
  part.receive(scratch.bytes, 0, scratch.length);
  scratch.clear();
}
