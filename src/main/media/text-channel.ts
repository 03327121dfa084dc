/** A data channel for text, as those see it who know nothing of the native library. */

/** A data channel to write text to. */
export interface TextChannel {
  /** @returns false if the channel is closed, or its client takes no message of this size. */
  send(text: string): boolean;
  /** Bytes that wait to be sent. */
  bufferedAmount(): number;
  close(): void;
}

/** Told what comes over a data channel. */
export interface TextReader {
  /** @param text null for a binary message. */
  message(text: string | null): void;
  closed(): void;
}

/** What the library's data channel offers of use here. */
interface NativeChannel {
  sendMessage(text: string): boolean;
  bufferedAmount(): number;
  close(): void;
}

/** Makes a text channel of one of the library's, whose methods throw once the channel is gone. */
export function textChannel(native: NativeChannel): TextChannel {
  return {
    // "Not sent" of the library's means that the message waits in its buffer.
    send: (text) => attempt(() => native.sendMessage(text) || true, false),
    bufferedAmount: () => attempt(() => native.bufferedAmount(), 0),
    close: () => attempt(() => native.close(), undefined),
  };
}

function attempt<T>(body: () => T, otherwise: T): T {
  try {
    return body();
  } catch {
    return otherwise;
  }
}
