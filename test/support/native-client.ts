import { Audio, PeerConnection, type Track } from 'node-datachannel';

/** A libdatachannel client in this process, whose offer and candidates the test sends itself. */
export interface NativeClient {
  /** The offer, without candidates. */
  readonly offer: string;
  /** Candidate attributes without `a=`, as `candidate:1 1 UDP …`. */
  readonly candidates: readonly string[];
  accept(answer: string): void;
  /** Waits until the connection has this state. */
  becomes(state: string): Promise<void>;
  close(): Promise<void>;
}

/** Keeps clients and their tracks from the garbage collector. */
const alive = new Set<readonly [PeerConnection, Track]>();

/** Creates a client with a microphone and one slot, and gathers its candidates on loopback. */
export async function createNativeClient(name: string): Promise<NativeClient> {
  const connection = new PeerConnection(name, {
    iceServers: [],
    disableAutoNegotiation: true,
    bindAddress: '127.0.0.1',
  });
  let state = 'new';
  let lookAtState: () => void = () => undefined;
  connection.onStateChange((next) => {
    state = next;
    lookAtState();
  });
  const gathered = new Promise<void>((resolve) => {
    connection.onGatheringStateChange((gathering) => {
      if (gathering === 'complete') resolve();
    });
  });
  const audio = new Audio('0', 'SendRecv');
  audio.addOpusCodec(111);
  audio.addSSRC(4711, name, name, name);
  const track = connection.addTrack(audio);
  track.onClosed(() => undefined);
  const held = [connection, track] as const;
  alive.add(held);
  connection.setLocalDescription('offer');
  await gathered;
  const lines = connection.localDescription()!.sdp.split('\r\n');
  const becomes = async (wanted: string): Promise<void> => {
    while (state !== wanted) {
      await new Promise<void>((resolve) => {
        lookAtState = resolve;
      });
    }
  };
  return {
    offer: lines.filter((line) => !/^a=(candidate:|end-of-candidates)/.test(line)).join('\r\n'),
    candidates: lines.filter((line) => line.startsWith('a=candidate:')).map((line) => line.slice(2)),
    accept: (answer) => connection.setRemoteDescription(answer, 'answer'),
    becomes,
    close: async () => {
      track.close();
      connection.close();
      await becomes('closed');
      alive.delete(held);
    },
  };
}
