/** The announcement of a source: who sends the packets that follow on the same subject, and what they are. */
import * as v from 'valibot';
import { MAX_ID_LENGTH } from '../../claim.ts';
import { type ReadCounts, readMessage, writeMessage } from '../messages/read.ts';
import type { AnnouncedSource } from './interfaces.ts';
import { HEAD_BYTES, Kind, messageHead } from './wire.ts';

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_LENGTH));
const integer = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const Schema = v.object({
  s: integer(0, 2 ** 31 - 1),
  u: id,
  c: id,
  p: v.object({ payloadType: integer(0, 127), levelExtension: integer(0, 14), redPayloadType: integer(0, 127) }),
  m: v.boolean(),
});

/** Returns the message that announces a source of this instance. @param incarnation of this instance. */
export function writeAnnouncement(incarnation: string, announced: AnnouncedSource): Uint8Array {
  const { source, userid, clientid, publication, muted } = announced;
  const { payloadType, levelExtension, redPayloadType } = publication;
  const p = { payloadType, levelExtension, redPayloadType };
  const text = writeMessage({ s: source, u: userid, c: clientid, p, m: muted });
  return Buffer.concat([messageHead(Kind.Announcement, incarnation), text]);
}

/**
 * Reads an announcement behind the head of its message. Never throws.
 *
 * @param counts counts it if it is dropped. @returns null if it is malformed.
 */
export function readAnnouncement(message: Uint8Array, counts: ReadCounts): AnnouncedSource | null {
  const read = readMessage(Schema, message.subarray(HEAD_BYTES), counts);
  if (read === null) return null;
  const { s, u, c, p, m } = read;
  // The SSRCs of a source concern its own instance alone, which keeps its slots from having them.
  return { source: s, userid: u, clientid: c, publication: { ...p, ssrcs: [] }, muted: m };
}
