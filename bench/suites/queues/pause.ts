/**
 * What a side does that finds its ring full or empty: a while of nothing. To look again at once would take the cursor's
 * line from the one who is about to move it, again and again. C++ has an instruction for it; this is the same for Node.
 */
export function pause(steps: number): number {
  let left = steps;
  while (left > 0) left--;
  return left;
}
