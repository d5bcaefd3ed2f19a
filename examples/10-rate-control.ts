/**
 * Rate control: the words of a text at 2 Hz (speech), 30 Hz (voice detection) and 10 Hz (sentiment) at once. A surface
 * says which rates are allowed, a controller emits one token a tick, and its figures say how punctual it was.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RateController, RateSurface } from 'percore/timers';

const TEXT = 'Whether you are using hardware interrupts, kernel timers or userspace scheduling, '
  + 'an interval is the inverse of a rate.';

/** The words of the text, over and over. */
function* words(): Generator<string> {
  for (;;) yield* TEXT.split(' ');
}

let letters = 0;
let longest = '';
const speech = new RateController({
  surface: new RateSurface({ targetHz: 2, minimumHz: 0.5, maximumHz: 5 }),
  tokens: words(),
  emit: (word) => process.stdout.write(`${word} `),
});
const voice = new RateController({
  surface: new RateSurface({ targetHz: 30 }),
  tokens: words(),
  emit: (word) => (letters += word.length),
});
const sentiment = new RateController({
  surface: new RateSurface({ targetHz: 10 }),
  tokens: words(),
  emit: (word) => (longest = word.length > longest.length ? word : longest),
});

await sleep(1500);
// Speech asks for more than its surface allows, and is told what it gets.
const grantedHz = speech.setRate(50);
await sleep(1500);
for (const controller of [speech, voice, sentiment]) controller.close();

const us = (ns: number): string => `${(ns / 1000).toFixed(0)} us`.padStart(9);
function row(name: string, controller: RateController<string>): string {
  const { p50Ns, p95Ns, p99Ns, maxNs } = controller.stats();
  const tokens = String(controller.status().emitted);
  return name.padEnd(16) + tokens.padStart(6) + [p50Ns, p95Ns, p99Ns, maxNs].map(us).join('');
}
console.log(`
50 Hz asked, ${grantedHz} Hz granted; ${letters} letters heard, the longest word is "${longest}"
                tokens      p50      p95      p99      max
${row('speech 2-5 Hz', speech)}
${row('voice 30 Hz', voice)}
${row('sentiment 10 Hz', sentiment)}`);
