"""A GStreamer client (webrtcbin) for the tests of foreign clients: see test/foreign/README.md for what it reads and writes."""
import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

FORMATS = {
    "audio": "encoding-name=OPUS,media=audio,clock-rate=48000,encoding-params=(string)2,payload=97",
    "pcmu": "encoding-name=PCMU,media=audio,clock-rate=8000,payload=0",
    "video": "encoding-name=VP8,media=video,clock-rate=90000,payload=98",
}
SOURCES = {
    "audio": "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=97",
    "pcmu": "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay",
    "video": "videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay pt=98",
}
DIRECTIONS = GstWebRTC.WebRTCRTPTransceiverDirection


def say(**message):
    print(json.dumps(message), flush=True)


def nick(value):
    return value.value_nick


def fail(error):
    say(error=str(error))
    loop.quit()


def direction_of(word):
    return getattr(DIRECTIONS, word.upper())


class Client:
    def __init__(self, shape):
        self.received = 0
        self.pipeline = Gst.Pipeline()
        self.web = Gst.ElementFactory.make("webrtcbin")
        self.web.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.web)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: fail(message.parse_error()))
        self.web.connect("pad-added", self.heard)
        self.web.connect("notify::connection-state", lambda *_: say(state=nick(self.web.get_property("connection-state"))))
        self.web.connect("notify::ice-gathering-state", self.gathered)
        self.data = None
        self.pipeline.set_state(Gst.State.READY)
        for word in shape.split():
            self.add(*word.partition(":")[::2])
        self.pipeline.set_state(Gst.State.PLAYING)
        self.web.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))

    def add(self, kind, direction):
        if kind == "data":
            self.data = self.web.emit("create-data-channel", "test", None)
            return
        caps = Gst.Caps.from_string(f"application/x-rtp,{FORMATS[kind]}")
        if not direction.startswith("send"):
            self.web.emit("add-transceiver", direction_of(direction), caps)
            return
        source = Gst.parse_bin_from_description(f"{SOURCES[kind]} ! capsfilter name=format", True)
        source.get_by_name("format").set_property("caps", caps)
        self.pipeline.add(source)
        sink = self.web.request_pad_simple("sink_%u")
        sink.get_property("transceiver").set_property("direction", direction_of(direction))
        source.get_static_pad("src").link(sink)
        source.sync_state_with_parent()

    def offered(self, promise):
        # The reply owns the offer.
        reply = promise.get_reply()
        self.web.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, *_):
        if self.web.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            say(offer=self.web.get_property("local-description").sdp.as_text())

    def answered(self, text):
        result, message = GstSdp.SDPMessage.new_from_text(text)
        if result != GstSdp.SDPResult.OK:
            raise ValueError("the answer cannot be parsed")
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.web.emit("set-remote-description", answer, Gst.Promise.new_with_change_func(self.taken))
        # What stands in the answer counts for others, but is not read by this client.
        index = -1
        for line in text.splitlines():
            if line.startswith("m="):
                index += 1
            elif line.startswith("a=candidate:"):
                self.web.emit("add-ice-candidate", index, line[2:])

    def taken(self, promise):
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            fail(reply.get_value("error").message)

    def heard(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        sink = Gst.ElementFactory.make("fakesink")
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.add_probe(Gst.PadProbeType.BUFFER, self.count)
        pad.link(sink.get_static_pad("sink"))

    def count(self, *_):
        self.received += 1
        return Gst.PadProbeReturn.OK

    def report(self):
        say(received=self.received)
        return True


def read():
    for line in sys.stdin:
        GLib.idle_add(client.answered, json.loads(line)["answer"])
    # The end of the input is the end.
    GLib.idle_add(loop.quit)


Gst.init(None)
loop = GLib.MainLoop()
client = Client(sys.argv[1])
threading.Thread(target=read, daemon=True).start()
GLib.timeout_add(250, client.report)
loop.run()
client.pipeline.set_state(Gst.State.NULL)
