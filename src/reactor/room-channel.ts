/**
 * How a room above this one speaks between a reactor and the main thread, for what no lane can carry: memory that is
 * handed over, and ports. It uses the channel of reports, which is Node's own.
 *
 *      reactor: party.toMain(room, body)  --reports--> main thread: the room's `onMain`
 *      main thread: member.post(room, body) --reports--> reactor: the room's `onReactor`
 */
import type { TransferListItem } from 'node:worker_threads';

export interface RoomChannel {
  /** On the main thread. `controller` is the runtime's inside. */
  onMain(controller: object, reactor: number, body: unknown): void;
  /** In a reactor, whose inside `party` is. */
  onReactor(party: object, body: unknown): void;
}

/** Sends `body` for a room to the main thread, by structured clone. */
export type ToMain = (room: string, body: unknown, transfer: readonly TransferListItem[]) => void;

/** What the main thread sends to a room in a reactor. */
export interface RoomMessage {
  readonly room: string;
  readonly body: unknown;
}

const rooms = new Map<string, RoomChannel>();

/**
 * Registers a room in this thread: once, when its module is loaded. In a reactor that is when the entry imports it, so
 * the main thread may speak first only to reactors that have spoken to the room.
 */
export function addRoom(name: string, channel: RoomChannel): void {
  rooms.set(name, channel);
}

/** The room, if its module has been loaded in this thread. */
export const roomOf = (name: string): RoomChannel | undefined => rooms.get(name);
