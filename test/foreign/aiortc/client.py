"""An aiortc client for the tests of foreign clients: see test/foreign/README.md for what it reads and writes."""
import asyncio
import json
import os
import sys

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack


class Noise(AudioStreamTrack):
    """As loud as may be: silence would take nobody's place."""

    async def recv(self):
        frame = await super().recv()
        frame.planes[0].update(os.urandom(frame.planes[0].buffer_size))
        return frame


def say(**message):
    print(json.dumps(message), flush=True)


async def main():
    *rest, shape = sys.argv[1:]
    policy = rest[0] if rest else "balanced"
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy(policy)))

    for word in shape.split():
        kind, _, direction = word.partition(":")
        if kind == "data":
            pc.createDataChannel("test")
            continue
        sends = direction.startswith("send")
        track = (VideoStreamTrack() if kind == "video" else Noise()) if sends else None
        transceiver = pc.addTransceiver(track or kind.replace("pcmu", "audio"), direction=direction)
        if kind == "pcmu":
            codecs = RTCRtpSender.getCapabilities("audio").codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "audio/PCMU"])

    @pc.on("connectionstatechange")
    def on_state():
        say(state=pc.connectionState)

    await pc.setLocalDescription(await pc.createOffer())
    say(offer=pc.localDescription.sdp)
    loop = asyncio.get_running_loop()
    message = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    await pc.setRemoteDescription(RTCSessionDescription(sdp=message["answer"], type="answer"))

    async def report():
        while True:
            await asyncio.sleep(0.25)
            stats = (await pc.getStats()).values()
            say(received=sum(one.packetsReceived for one in stats if one.type == "inbound-rtp"))

    reporting = asyncio.ensure_future(report())
    # The end of the input is the end.
    await loop.run_in_executor(None, sys.stdin.read)
    reporting.cancel()
    await asyncio.wait_for(pc.close(), 3)


try:
    asyncio.run(main())
except Exception as error:  # What the test is to be told, whatever it is.
    say(error=f"{type(error).__name__}: {error}")
    sys.exit(1)
