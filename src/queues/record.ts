/**
 * Framing of variable records.
 *
 *    0      4      8                     8 + length        aligned to 8
 *    +------+------+-----------------------+----------------+
 *    |length| type |        payload        |    unused      |
 *    +------+------+-----------------------+----------------+
 *
 * `length` is that of the payload, in bytes. `type` is chosen by the sender and 0 or more; PADDING fills the ring up to
 * its end, so that every record is contiguous. Source: Agrona's RecordDescriptor, without its commit by length, which a
 * single producer does not need.
 */
export const HEADER_BYTES = 8;
/** The type of the record that fills the ring to its end. Its length counts from its own header to the ring's end. */
export const PADDING = -1;

/** The bytes that a payload of `length` takes in the ring, header and alignment included. */
export const framedBytes = (length: number): number => (length + HEADER_BYTES + 7) & ~7;
