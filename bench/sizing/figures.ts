/** What one of each takes, for sizing. bench/README.md has the measurements; these are their upper ends. */

/** CPU of a packet that is sent: of all threads, and of the main thread alone; microseconds ("The room": 6–16). */
export const SENT_US = { all: 14, main: 10 };
/** CPU of a packet that comes in, before anything is sent of it; microseconds ("Many small rooms"). */
export const RECEIVED_US = { all: 60, main: 30 };
/** CPU of a connection that does nothing, with events; microseconds a second ("Connections that do nothing"). */
export const IDLE_US = { all: 160, main: 15 };
/** Share of the main thread that may be used, so that joins and ICE go on, and a restart of another instance fits in. */
export const MAIN_SHARE = 0.7;
/** Memory of an instance with one worker, of each further worker, and of a connection with events; MiB. */
export const MEMORY_MIB = { instance: 103, worker: 14, connection: 0.32 };
/** Payload of a voice at 20 ms a packet, and with RED; bits a second ("Redundant audio"). */
export const VOICE_BPS = { opus: 32_000, red: 66_000 };
/** IP, UDP, SRTP and RTP headers of a packet, bytes: 26 kbit/s at 50 packets a second. */
export const HEADER_BYTES = 65;
/** Connections on a media port from which on another port is worth its thread ("Connections that do nothing"). */
export const CONNECTIONS_PER_PORT = 128;
/** How long the buffer of a socket should last while nobody reads it, seconds. */
export const BUFFER_S = 0.2;
/** What the kernel takes of a socket's buffer for a packet of speech, bytes. */
export const KERNEL_BYTES = 768;
