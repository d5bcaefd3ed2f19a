/**
 * Rate control: the tokens of a text at 2 Hz, 30 Hz and 10 Hz at once (speech rate, voice detection, sentiment), and
 * the jitter of each.
 */
import { RateController, RateSurface } from 'percore/timers';

const text =
  'Whether you are using hardware interrupts, kernel timers or userspace scheduling: an interval is the inverse of a rate.';
const SECONDS = 3;

/** The words of the text, over and over. */
function* words(): Generator<string> {
  for (;;) yield* text.split(' ');
}

let letters = 0;
let longest = '';
const speech = new RateController({
  surface: new RateSurface({ targetHz: 2, minimumHz: 0.5, maximumHz: 5 }), tokens: words(),
  emit: (word) => process.stdout.write(`${word} `),
});
const voice = new RateController({
  surface: new RateSurface({ targetHz: 30 }), tokens: words(),
  emit: (word) => (letters += word.length),
});
const sentiment = new RateController({
  surface: new RateSurface({ targetHz: 10 }), tokens: words(),
  emit: (word) => (longest = word.length > longest.length ? word : longest),
});
for (const controller of [speech, voice, sentiment]) {
  controller.on('warning', ({ p99Ns, toleranceNs }) =>
    console.log(`p99 jitter ${p99Ns / 1e6} ms is past ${toleranceNs / 1e6} ms`),
  );
}

// Halfway through, speech asks for more than it may have.
await new Promise((resolve) => setTimeout(resolve, 500 * SECONDS));
const grantedHz = speech.setRate(50);
await new Promise((resolve) => setTimeout(resolve, 500 * SECONDS));
for (const controller of [speech, voice, sentiment]) controller.close();

const us = (ns: number): string => `${(ns / 1000).toFixed(0)} us`.padStart(9);
const row = (name: string, controller: RateController<string>): string => {
  const { p50Ns, p95Ns, p99Ns, maxNs } = controller.stats();
  return `${name.padEnd(16)}${String(controller.status().emitted).padStart(6)}${us(p50Ns)}${us(p95Ns)}${us(p99Ns)}${us(maxNs)}`;
};
console.log(`
50 Hz asked, ${grantedHz} Hz granted; ${letters} letters heard, the longest word is "${longest}"
                tokens      p50      p95      p99      max
${row('speech 2-5 Hz', speech)}
${row('voice 30 Hz', voice)}
${row('sentiment 10 Hz', sentiment)}`);
