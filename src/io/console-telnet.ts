/**
 * Takes the telnet protocol out of a stream of bytes. What the user has typed goes on; every negotiation is refused.
 *
 *      DATA --IAC--> COMMAND --WILL, WONT, DO, DONT--> OPTION --any--> DATA
 *                       |            answers DONT to WILL, WONT to DO, nothing to refusals
 *                       |-----SB--> SUBNEGOTIATION --IAC--> END? --SE--> DATA
 *                       |-----IAC--> DATA, with a byte 255                       any other: nothing
 *
 * The state is kept between calls, since a command may be split between two reads. A return that is followed by NUL,
 * which is telnet's bare return, becomes the end of a line. Clients that do not speak telnet are not disturbed, because
 * UTF-8 has no byte 255. Source: RFC 854, and RFC 1143's rule that a refusal is never answered.
 */
const [SE, SB, WILL, WONT, DO, DONT, IAC] = [240, 250, 251, 252, 253, 254, 255];
const CR = 13;
const LF = 10;

const enum State { Data, Return, Command, Will, Do, Refusal, Subnegotiation, SubnegotiationEnd }

export class TelnetFilter {
  private state = State.Data;
  private out = new Uint8Array(4096);

  /**
   * Returns the bytes that the user has typed, valid until the next call. `answer` is called with what the protocol
   * wants to be sent back.
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
          // Whatever else follows a return is data like any other.
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

/** The state that follows the command `byte`. */
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
