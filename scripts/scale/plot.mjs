// A line chart as SVG: a few series over the number of reactors, which doubles from tick to tick.
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 300, 64, 150, 40, 44];
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#8250df'];

const escaped = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;');

/**
 * `x` are the ticks; `series` are `{ name, values }` with one value for each tick; `y` names the axis and its unit.
 * With `isLog` each line stands for ten times the one below it.
 */
export function plot({ title, x, xName, y, series, isLog = false }) {
  const all = series.flatMap(({ values }) => values);
  const ticks = isLog ? decades(Math.min(...all), Math.max(...all))
    : [0, 0.25, 0.5, 0.75, 1].map((part) => part * niceAbove(Math.max(...all)));
  const scaled = isLog ? Math.log10 : Number;
  const [least, most] = [scaled(ticks[0]), scaled(ticks.at(-1))];
  const across = (i) => LEFT + (i * (WIDTH - LEFT - RIGHT)) / Math.max(1, x.length - 1);
  const up = (value) => HEIGHT - BOTTOM - ((scaled(value) - least) / (most - least)) * (HEIGHT - TOP - BOTTOM);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-size="14" fill="#1f2328">${escaped(title)}</text>`,
  ];
  for (const value of ticks) {
    lines.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${up(value)}" y2="${up(value)}" stroke="#d0d7de"/>`,
      `<text x="${LEFT - 8}" y="${up(value) + 4}" text-anchor="end" fill="#59636e">`
        + `${Number(value.toPrecision(3))}</text>`,
    );
  }
  for (const [i, tick] of x.entries()) {
    lines.push(`<text x="${across(i)}" y="${HEIGHT - 24}" text-anchor="middle" fill="#59636e">${tick}</text>`);
  }
  lines.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle" fill="#1f2328">`
      + `${escaped(xName)}</text>`,
    `<text transform="translate(14 ${(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)" text-anchor="middle" fill="#1f2328">`
      + `${escaped(y)}</text>`,
  );
  for (const [i, { name, values }] of series.entries()) {
    const colour = COLOURS[i % COLOURS.length];
    const points = values.map((value, at) => `${across(at).toFixed(1)},${up(value).toFixed(1)}`);
    lines.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of points) {
      const [cx, cy] = point.split(',');
      lines.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    const key = TOP + 12 + 20 * i;
    lines.push(
      `<line x1="${WIDTH - RIGHT + 12}" x2="${WIDTH - RIGHT + 32}" y1="${key}" y2="${key}" stroke="${colour}" `
        + 'stroke-width="2"/>',
      `<text x="${WIDTH - RIGHT + 38}" y="${key + 4}" fill="#1f2328">${escaped(name)}</text>`,
    );
  }
  return `${[...lines, '</svg>'].join('\n')}\n`;
}

/** The next larger number of 1, 2, 4, 5, 10, 20, … */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function decades(least, most) {
  const ticks = [10 ** Math.floor(Math.log10(least))];
  while (ticks.at(-1) < most) ticks.push(ticks.at(-1) * 10);
  return ticks;
}
