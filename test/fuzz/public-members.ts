/**
 * What of each class is public, as the declarations say it that users get: neither private nor protected, nor marked as
 * being "For X alone", which holds for the members under the same comment too. At run time all of it can be reached,
 * and what is inside has a right to rely on its callers.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

/** What a class is to users where they know it by an interface alone. `Reactor.select` gives what is ready. */
const SEEN_AS: Readonly<Record<string, readonly string[]>> = {
  LocalTask: ['name', 'send', 'depth'], PendingCall: [], TickGrid: [],
  NatsLink: ['servers', 'isOnline', 'closed', 'publish', 'whenRoom', 'flushed', 'status', 'close'],
  StreamPublisher: ['subject', 'publish', 'stored', 'whenRoom', 'flushed', 'status', 'close'],
  StreamConsumer: ['stream', 'name', 'drain', 'close', 'status'], Owners: ['machine', 'owns', 'status', 'leave'],
  Delivery: ['subject', 'bytes', 'header', 'text'],
  ...Object.fromEntries([
    'ConnectionEndpoint', 'DatagramEndpoint', 'DescriptorEndpoint', 'DueBand', 'FileEndpoint', 'ListenerEndpoint',
    'Offloaded', 'PipeEndpoint', 'Polled', 'ReadinessEndpoint', 'Thrown', 'Watcher',
  ].map((name) => [name, ['run']])),
};

export function publicMembers(): Map<string, Set<string>> {
  const folder = fileURLToPath(new URL('../../src/', import.meta.url));
  const members = new Map<string, Set<string>>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.d.ts') && !/test|fixtures|suite|scenario/.test(file))
      readClasses(readFileSync(join(folder, file), 'utf8'), members);
  }
  for (const [name, seen] of Object.entries(SEEN_AS)) members.set(name, new Set(seen));
  return members;
}

function readClasses(source: string, members: Map<string, Set<string>>): void {
  let names: Set<string> | undefined;
  let comment = '';
  let isCommenting = false;
  for (const line of source.split('\n')) {
    const declared = /^(?:export )?(?:declare )?(?:abstract )?class (\w+)/.exec(line);
    if (declared !== null) members.set(declared[1]!, (names = members.get(declared[1]!) ?? new Set()));
    else if (line === '}') names = undefined;
    if (names === undefined || declared !== null) continue;
    if (/^ {4}\/\*\*/.test(line)) [comment, isCommenting] = ['', true];
    if (isCommenting) {
      comment += line;
      if (line.includes('*/')) isCommenting = false;
      continue;
    }
    const member =
      /^ {4}(private |protected |static |readonly |abstract |get |set |async )*(\[?[\w.]+\]?)\??[(:<;]/.exec(line);
    if (member === null) continue;
    // A door: a key that no entry exports.
    if (/^\[(?!Symbol\.)/.test(member[2]!)) continue;
    const isInside = /^ {4}(private|protected)/.test(line) || /\bFor [\w ,]+ alone\b/.test(comment);
    if (!isInside) names.add(member[2]!);
    else if (/^ {4}(private|protected)/.test(line)) names.delete(member[2]!);
  }
}
