import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { layoutHash } from './layout-hash.js';
import {
  BANDS, BUCKETS, LANES_PER_PEER, LINE_BYTES, MAX_PARTIES, MAX_REACTORS, SLOTS, bucketsLayout, constants,
  deliveryLayout, inboxBytes, laneOffset, laneStride, linkedLayout, partyLayout, pipeLayout, queueLayout, runtimeLayout,
  slotsLayout, structures, words,
  type LayoutField,
} from './layout.js';

const SIZE = { i32: 4, f64: 8 };
const bytesOf = (field: LayoutField): number => SIZE[field.type] * (field.count ?? 1);
const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the layout table', () => {
  for (const structure of structures) {
    const fields = Object.entries(structure.fields);

    it(`${structure.name}: its fields are aligned, in order, inside it, and do not overlap`, () => {
      let end = 0;
      for (const [name, field] of fields) {
        expect(field.at % SIZE[field.type], `alignment of ${name}`).toBe(0);
        expect(field.at, `${name} begins after the field before it`).toBeGreaterThanOrEqual(end);
        end = field.at + bytesOf(field);
      }
      expect(structure.bytes).toBeGreaterThanOrEqual(end);
      expect(structure.bytes % 8, 'so that a structure behind it is aligned').toBe(0);
    });

    it(`${structure.name}: every field says who writes it, who reads it and what it means`, () => {
      for (const [name, { writes, reads, means }] of fields)
        expect(
          [writes, reads, means].every((text) => text.length > 0), name,
        ).toBe(true);
    });
  }

  // Delivery and TimerRequests are missing here because each belongs to one thread.
  const shared = [queueLayout, linkedLayout, partyLayout, runtimeLayout, slotsLayout, bucketsLayout, pipeLayout];
  for (const structure of shared) {
    it(`${structure.name}: words that different threads write lie ${LINE_BYTES} bytes apart`, () => {
      // Fields with the same text for their writers form one group; so does a header, which is written once at the
      // start.
      const groupOf = ({ writes }: LayoutField) => writes.replace(/, last$/, '');
      const fields = Object.entries(structure.fields as Record<string, LayoutField>);
      for (const [i, [name, field]] of fields.entries()) {
        for (const [other, next] of fields.slice(i + 1)) {
          if (groupOf(next) === groupOf(field)) continue;
          expect(
            Math.floor(next.at / LINE_BYTES),
            `${name} (${field.writes}) and ${other} (${next.writes}) in ${structure.name}`,
          ).toBeGreaterThan(Math.floor((field.at + bytesOf(field) - 1) / LINE_BYTES));
        }
      }
      expect(structure.bytes % LINE_BYTES, 'nor does it share its last line with what follows').toBe(0);
    });
  }

  it('gives each lane of an inbox a place of its own, aligned to a line', () => {
    for (const [parties, laneBytes] of [[2, 4096], [3, 8192], [MAX_PARTIES, 4096]] as const) {
      expect(laneStride(laneBytes) % LINE_BYTES).toBe(0);
      let end = partyLayout.bytes + parties * LINE_BYTES;
      for (let from = 0; from < parties; from++) {
        for (let lane = 0; lane < LANES_PER_PEER; lane++) {
          expect(laneOffset(parties, laneBytes, from, lane)).toBe(end);
          end += laneStride(laneBytes);
          expect(laneStride(laneBytes), 'header, records and the slack that views need').toBeGreaterThanOrEqual(
            queueLayout.bytes + laneBytes + 8,
          );
        }
      }
      expect(inboxBytes(parties, laneBytes)).toBe(end);
    }
  });

  it('has room for what its constants promise', () => {
    expect(runtimeLayout.fields.presence.count).toBe(MAX_PARTIES);
    expect(runtimeLayout.fields.generation.count).toBe(MAX_PARTIES);
    expect(runtimeLayout.fields.bucketOwner.count).toBe(BUCKETS);
    expect([slotsLayout.fields.word.count, bucketsLayout.fields.sent.count]).toEqual([SLOTS, SLOTS]);
    expect(MAX_REACTORS + 1).toBe(MAX_PARTIES);
    expect(partyLayout.fields.steps.count).toBe(BANDS);
    expect(deliveryLayout.fields.lane.count).toBe(MAX_PARTIES * LANES_PER_PEER);
    expect(deliveryLayout.fields.isMuted.count).toBe(MAX_PARTIES * LANES_PER_PEER);
    expect(LANES_PER_PEER, 'a bit each in one word').toBeLessThan(32);
    expect(new Set(Object.values(words.phase)).size).toBe(Object.keys(words.phase).length);
    expect(words.attention.PARKED, 'below every band').toBeLessThan(0);
    expect(words.attention.AWAKE, 'above every band').toBeGreaterThanOrEqual(BANDS);
  });

  it('has a hash, which is always the same', () => {
    expect(layoutHash()).toMatch(/^[0-9a-f]{16}$/);
    expect(layoutHash()).toBe(layoutHash());
  });
});

describe('native/layout.h', () => {
  it('is what the generator makes of the present table', () => {
    const header = readFileSync(join(root, 'native', 'layout.h'), 'utf8');
    const copy = mkdtempSync(join(tmpdir(), 'percore-layout-'));
    try {
      // A copy of the generator beside a copy of the compiled table, so that the checkout's own file is not touched.
      cpSync(join(root, 'native', 'generate-layout.mjs'), join(copy, 'native', 'generate-layout.mjs'));
      for (const file of readdirSync(join(root, 'dist', 'modules')).filter((name) => /^layout[a-z-]*\.js$/.test(name)))
        cpSync(join(root, 'dist', 'modules', file), join(copy, 'dist', 'src', file));
      writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
      expect(
        spawnSync(process.execPath, [join(copy, 'native', 'generate-layout.mjs')], { encoding: 'utf8' }).stderr,
      ).toBe('');
      expect(readFileSync(join(copy, 'native', 'layout.h'), 'utf8')).toBe(header);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });

  it('carries the hash and every number of the table', () => {
    const header = readFileSync(join(root, 'native', 'layout.h'), 'utf8');
    expect(header).toContain(`kHash[] = "${layoutHash()}"`);
    for (const structure of structures) {
      for (const [name, field] of Object.entries(structure.fields))
        expect(header).toContain(`static_assert(offsetof(${structure.name}, ${name}) == ${field.at});`);
      expect(header).toContain(`static_assert(sizeof(${structure.name}) == ${structure.bytes});`);
    }
    for (const value of Object.values(constants)) expect(header).toContain(` = ${value};`);
  });
});
