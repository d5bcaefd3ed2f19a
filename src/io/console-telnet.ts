/**
 * The telnet protocol taken out of a stream of bytes: what the user typed goes on, negotiation is answered by a
 * refusal.
 *
 *      DATA --IAC--> COMMAND --WILL, WONT, DO, DONT--> OPTION --any--> DATA
 *                       |            answers DONT to WILL, WONT to DO, nothing to refusals
 *                       |-----SB--> SUBNEGOTIATION --IAC--> END? --SE--> DATA
 *                       |-----IAC--> DATA, with a byte 255                       any other: nothing
 *
 * State is kept between calls, since a command may be split between two reads. A return that is followed by NUL,
 * telnet's bare return, becomes a line's end. Clients that know no telnet are not disturbed: UTF-8 has no byte 255.
 * Source: RFC 854, RFC 1143's rule that a refusal is never answered.
 */
const [SE, SB, WILL, WONT, DO, DONT, IAC] = [240, 250, 251, 252, 253, 254, 255];
const CR = 13;
const LF = 10;

const enum State { Data, Return, Command, Will, Do, Refusal, Subnegotiation, SubnegotiationEnd }

export class TelnetFilter {
  private state = State.Data;
  private out = new Uint8Array(4096);

  /**
   * The bytes that the user typed, valid until the next call. `answer` is given what the protocol wants to be answered.
   */
  filter(bytes: Uint8Array, answer: (bytes: Uint8Array) => void): Uint8Array {
    if (this.state === State.Data && bytes.indexOf(IAC) < 0 && bytes.indexOf(0) < 0) {
      if (bytes[bytes.length - 1] === CR) this.state = State.Return;
      return bytes;
    }
    if (this.out.length < bytes.length) this.out = new Uint8Array(bytes.length);
    let length = 0;
    for (const byte of bytes) {
      switch (this.state) {
        case State.Return:
          this.state = State.Data;
          if (byte === 0) {
            this.out[length++] = LF;
            continue;
          }
          // What follows a return is data like any other.
          length = this.data(byte, length);
          break;
        case State.Data: length = this.data(byte, length); break;
        case State.Command:
          if (byte === IAC) this.out[length++] = IAC;
          this.state = stateAfter(byte);
          break;
        case State.Will:
        case State.Do:
          answer(Uint8Array.of(IAC, this.state === State.Will ? DONT : WONT, byte));
          this.state = State.Data;
          break;
        case State.Refusal: this.state = State.Data; break;
        case State.Subnegotiation: if (byte === IAC) this.state = State.SubnegotiationEnd; break;
        case State.SubnegotiationEnd: this.state = byte === SE ? State.Data : State.Subnegotiation; break;
      }
    }
    return this.out.subarray(0, length);
  }

  private data(byte: number, length: number): number {
    if (byte === IAC) {
      this.state = State.Command;
      return length;
    }
    if (byte === CR) this.state = State.Return;
    this.out[length] = byte;
    return length + 1;
  }
}

/** The state after the command `byte`. */
function stateAfter(byte: number): State {
  switch (byte) {
    case WILL: return State.Will;
    case DO: return State.Do;
    case WONT:
    case DONT: return State.Refusal;
    case SB: return State.Subnegotiation;
    default: return State.Data;
  }
}
