/** One terminal of a console (console.ts): takes its lines and answers one after the other. */
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import { LineReader } from './line-reader.js';

/** Where lines come from and answers go to. */
export interface Terminal {
  readonly lineEnd: string;
  offer(text: string): number;
  room(): Promise<void>;
  pause(): void;
  resume(): void;
  end(): void;
}

/** The options of a console that concern its sessions. */
interface SessionOptions {
  readonly greeting?: string;
  readonly prompt?: string;
  readonly maxLineBytes?: number;
}

/** While a command is being answered, the terminal is not read. */
export class ConsoleSession {
  private readonly reader: LineReader;
  private readonly waiting: (string | TooLong)[] = [];
  private isBusy = false;
  private isEnding = false;

  constructor(
    private readonly answer: (line: string) => Promise<string[]>, private readonly terminal: Terminal,
    private readonly options: SessionOptions, readonly close: () => void,
    private readonly report: (error: unknown) => void,
  ) {
    this.reader = new LineReader({
      maxLineBytes: options.maxLineBytes ?? 4096,
      onTooLong: (bytes) => this.take(new TooLong(bytes)),
    }, (line) => this.take(line));
  }

  greet(): void {
    const { greeting, prompt = '' } = this.options;
    const text = (greeting === undefined ? '' : `${greeting}\n`) + prompt;
    if (text !== '') this.terminal.offer(text.replaceAll('\n', this.terminal.lineEnd));
  }

  read(bytes: Uint8Array): void {
    this.reader.push(bytes);
  }

  /** The peer will send no more. What it has sent is answered, then the terminal is closed. */
  end(): void {
    this.reader.end();
    this.isEnding = true;
    if (!this.isBusy) this.terminal.end();
  }

  private take(line: string | TooLong): void {
    this.waiting.push(line);
    // An error here comes from the output and not from a command. Nobody would read the answers, so the session ends.
    if (!this.isBusy) void this.work().catch((error: unknown) => {
      this.report(error);
      this.close();
    });
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    this.terminal.pause();
    while (this.waiting.length !== 0) {
      const line = this.waiting.shift()!;
      const isQuit = typeof line === 'string' && line.trim() === 'quit';
      const answer = typeof line === 'string' ? await this.answer(line) : this.refusalOf(line);
      const text = answer.map((part) => `${part}\n`).join('') + (isQuit ? '' : this.options.prompt ?? '');
      if (text !== '' && !(await this.write(text.replaceAll('\n', this.terminal.lineEnd)))) return;
      if (isQuit) {
        this.reader.close();
        this.waiting.length = 0;
        this.isEnding = true;
      }
    }
    this.isBusy = false;
    if (this.isEnding) this.terminal.end();
    // Also after our end: the peer's end must still be read, or the connection would never close.
    this.terminal.resume();
  }

  private refusalOf(line: TooLong): string[] {
    return [`error: a line of ${line.bytes} bytes is longer than ${this.reader.maxLineBytes}`];
  }

  /** Writes, and waits for a slow reader. False if the terminal has been closed. */
  private async write(text: string): Promise<boolean> {
    for (;;) {
      const code = this.terminal.offer(text);
      if (code !== BACK_PRESSURED) return code !== CLOSED;
      await this.terminal.room();
    }
  }
}

/** Stands in the queue for a line that was too long. */
class TooLong {
  constructor(readonly bytes: number) {}
}
