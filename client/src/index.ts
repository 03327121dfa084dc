/** The browser client of backend-webrtc. */
export { connect, VoiceClient } from './client.ts';
export { VoiceError, type VoiceErrorCode } from './errors.ts';
export { type MicrophonePreview, previewMicrophone } from './preview.ts';
export type { Participant } from './protocol.ts';
export { isSupported, whyUnsupported } from './support.ts';
export type * from './types.ts';
