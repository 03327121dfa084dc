/** Says in words why there is no microphone, and learns when the browser begins or ceases to block it. */
import { VoiceError, type VoiceErrorCode } from '@beep/webrtc-client';

const BLOCKED = 'The browser blocks your microphone. Allow it in the address bar, then try again.';
const WORDS: Partial<Record<VoiceErrorCode, string>> = {
  'microphone-denied': BLOCKED,
  'microphone-missing': 'No microphone was found. Plug one in, then try again.',
  'microphone-busy': 'Another program uses your microphone. Close it there, then try again.',
};

/** Returns the cause and what to do about it. */
export function wordsOf(error: unknown): string {
  const words = error instanceof VoiceError ? WORDS[error.code] : undefined;
  return words ?? (error instanceof Error ? error.message : String(error));
}

/** Calls `changed` with what to tell the user while the browser blocks the microphone, and with null otherwise. */
export async function watchBlocked(changed: (words: string | null) => void): Promise<void> {
  let status: PermissionStatus;
  try {
    status = await navigator.permissions.query({ name: 'microphone' as PermissionName });
  } catch {
    // Some browsers do not tell. The user learns it from the check, or in the call.
    return;
  }
  const tell = (): void => changed(status.state === 'denied' ? BLOCKED : null);
  status.addEventListener('change', tell);
  tell();
}
