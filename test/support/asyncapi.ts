/** The AsyncAPI document, and what a text in either direction is by it. */
import { asyncApiFile } from '../../client/asyncapi.ts';
import { fits, type JsonSchema, resolve } from './json-schema.ts';

export interface Ref {
  readonly $ref: string;
}

export interface Operation {
  readonly action: 'send' | 'receive';
  readonly summary: string;
  readonly channel: Ref;
  readonly messages: readonly Ref[];
  readonly reply?: { readonly channel: Ref; readonly messages: readonly Ref[] };
}

export interface Message {
  readonly summary: string;
  readonly contentType: string;
  readonly payload: JsonSchema;
}

export interface AsyncApi {
  readonly asyncapi: string;
  readonly servers: Readonly<Record<string, { readonly host: string; readonly protocol: string }>>;
  readonly channels: {
    readonly connect: Channel & {
      readonly 'x-close-codes': readonly { readonly code: number; readonly reason: string }[];
    };
    readonly events: Channel & { readonly 'x-errors': Readonly<Record<string, string>> };
  };
  readonly operations: Readonly<Record<string, Operation>>;
  readonly components: { readonly messages: Readonly<Record<string, Message>> };
}

interface Channel {
  readonly address: string;
  readonly servers: readonly Ref[];
  readonly messages: Readonly<Record<string, Ref>>;
}

export const ASYNC_API = JSON.parse(asyncApiFile()) as AsyncApi;

/** Returns the names of the messages that a text can be, out of those referred to. */
export function messagesLike(text: string, refs: readonly Ref[]): string[] {
  return refs.map(({ $ref }) => $ref.split('/').at(-1)!).filter((name) => isLike(text, name));
}

/** Returns whether a text is a message of this name. */
export function isLike(text: string, name: string): boolean {
  const { contentType, payload } = ASYNC_API.components.messages[name]!;
  if (contentType !== 'application/json' && fits(text, payload, ASYNC_API)) return true;
  try {
    return contentType !== 'application/sdp' && fits(JSON.parse(text), payload, ASYNC_API);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Returns what a reference in the document leads to. @throws Error if there is nothing. */
export function follow({ $ref }: Ref): object {
  return resolve(ASYNC_API, $ref);
}
