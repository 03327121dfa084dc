/** Data channels for text, without the types of the native library. */

/** A data channel to write text to. */
export interface TextChannel {
  /** Sends a message. @returns false if the channel is closed, or its client does not accept messages of this size. */
  send(text: string): boolean;
  /** Bytes that wait to be sent. */
  bufferedAmount(): number;
  close(): void;
}

/** Reads a data channel. */
export interface TextReader {
  /** @param text null for a binary message. */
  message(text: string | null): void;
  closed(): void;
}

/** The part of the library's data channel that is used. */
interface NativeChannel {
  sendMessage(text: string): boolean;
  bufferedAmount(): number;
  close(): void;
}

/** Wraps a data channel of the library, whose methods throw once the channel is gone. */
export function textChannel(native: NativeChannel): TextChannel {
  return {
    // The library's false means that the message waits in its buffer.
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
