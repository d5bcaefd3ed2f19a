/**
 * Framing of variable records.
 *
 *    0      4      8                     8 + length        aligned to 8
 *    +------+------+-----------------------+----------------+
 *    |length| type |        payload        |    unused      |
 *    +------+------+-----------------------+----------------+
 *
 * `length` is the payload's, in bytes. `type` is the sender's own, 0 or more; PADDING fills the ring up to its end, so
 * that every record is contiguous. Source: Agrona's RecordDescriptor, without its commit-by-length, which SPSC needs
 * not.
 */
export const HEADER_BYTES = 8;
/** Type of the record that fills the ring to its end. Its length counts from its own header to the ring's end. */
export const PADDING = -1;

/** Bytes that a payload of `length` takes in the ring. */
export const framedBytes = (length: number): number => (length + HEADER_BYTES + 7) & ~7;
