/**
 * What a side does when it finds its ring full or empty: it does nothing for a while. Looking again at once would take
 * the cursor's line away, again and again, from the side that is about to move it. C++ has an instruction for such a
 * pause; this is the same for Node.
 */
export function pause(steps: number): number {
  let left = steps;
  while (left > 0) left--;
  return left;
}
