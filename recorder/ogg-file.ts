/** An Ogg file with one Opus stream (RFC 7845). Packets are written as they are; none is decoded. */
import { type FileHandle, open } from 'node:fs/promises';
import { EncodedAudioPacketSource, EncodedPacket, OggOutputFormat, Output, StreamTarget } from 'mediabunny';
import { type Sink, silentPackets } from './timeline.ts';

const RATE = 48_000;
/** What decoders throw away at the beginning: the delay of Opus encoders, ticks. */
export const PRE_SKIP = 312;
/** Longest page, seconds: if the machine dies, so much is lost. */
const PAGE_SECONDS = 1;
/** Most packets that wait for the disk: at 50 a second some minutes. */
const MAX_WAITING = 20_000;
const STEREO = 0x04;

export class OggFile implements Sink {
  readonly path: string;
  private readonly failed: (error: Error) => void;
  private readonly tags: { readonly title: string; readonly artist: string };
  private source: EncodedAudioPacketSource | null = null;
  private output: Output | null = null;
  private file: FileHandle | null = null;
  /** All that is to be written, one after the other. */
  private work: Promise<void> = Promise.resolve();
  private waiting = 0;
  private broken = false;
  private ticks = 0;
  /** Silence before the first packet, which tells the number of channels. */
  private leading = 0;

  /** @param failed is told once of what keeps it from being written. */
  constructor(path: string, tags: { readonly title: string; readonly artist: string }, failed: (error: Error) => void) {
    this.path = path;
    this.tags = tags;
    this.failed = failed;
  }

  packet(bytes: Uint8Array, ticks: number): void {
    if (this.source === null) this.begin((bytes[0]! & STEREO) === 0 ? 1 : 2);
    this.later(() => this.write(bytes, ticks));
  }

  silence(ticks: number): void {
    if (this.source === null) this.leading += ticks;
    else this.later(() => this.writeSilence(ticks));
  }

  /** Resolves once everything is on the disk. Never rejects: `failed` was told. */
  async close(): Promise<void> {
    this.later(async () => {
      if (this.output?.state === 'started') await this.output.finalize();
    });
    await this.work;
    await this.file?.close().catch(() => undefined);
  }

  private begin(channels: 1 | 2): void {
    const source = new EncodedAudioPacketSource('opus');
    this.source = source;
    this.later(async () => {
      const file = await open(this.path, 'wx');
      this.file = file;
      const sink = new WritableStream<{ data: Uint8Array; position: number }>({
        write: async ({ data, position }) => {
          for (let done = 0; done < data.length; ) {
            done += (await file.write(data, done, data.length - done, position + done)).bytesWritten;
          }
        },
      });
      const format = new OggOutputFormat({ maximumPageDuration: PAGE_SECONDS });
      const output = new Output({ format, target: new StreamTarget(sink) });
      output.addAudioTrack(source, { decoderConfig: decoderConfig(channels) });
      output.setMetadataTags(this.tags);
      await output.start();
      this.output = output;
    });
    if (this.leading > 0) this.silence(this.leading);
  }

  private async writeSilence(ticks: number): Promise<void> {
    for (const [length, packet] of silentPackets(ticks)) await this.write(packet, length);
  }

  private async write(bytes: Uint8Array, ticks: number): Promise<void> {
    const packet = new EncodedPacket(bytes, 'key', this.ticks / RATE, ticks / RATE);
    this.ticks += ticks;
    await this.source!.add(packet);
  }

  private later(act: () => Promise<void>): void {
    if (this.broken) return;
    if (++this.waiting > MAX_WAITING) return this.fail(new Error(`the disk is too slow for ${this.path}`));
    this.work = this.work.then(async () => {
      this.waiting--;
      if (this.broken) return;
      try {
        await act();
      } catch (error) {
        this.fail(error as Error);
      }
    });
  }

  private fail(error: Error): void {
    if (this.broken) return;
    this.broken = true;
    this.failed(error);
  }
}

/** The identification header (RFC 7845, section 5.1), all of it little-endian. */
function decoderConfig(channels: 1 | 2) {
  const head = Buffer.alloc(19);
  head.write('OpusHead', 'latin1');
  head[8] = 1;
  head[9] = channels;
  head.writeUInt16LE(PRE_SKIP, 10);
  head.writeUInt32LE(RATE, 12);
  return { codec: 'opus', sampleRate: RATE, numberOfChannels: channels, description: new Uint8Array(head) };
}
