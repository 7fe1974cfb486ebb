#!/usr/bin/env python3
"""Sluice's ICE agent in a webrtcbin of one's own, from Python: the same as ice-agent.rs.

A webrtcbin with libnice offers a tone, and one with the agent answers on the port that all agents of a process share.
Wants PyGObject and GstWebRTC's introspection (Debian: python3-gi, gir1.2-gst-plugins-bad-1.0), and the plugin where GStreamer looks:

    cargo build && GST_PLUGIN_PATH=target/debug python3 plugins/webrtc/examples/ice-agent.py
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, GObject, Gst, GstWebRTC  # noqa: E402

ENOUGH = 50
BUNDLED = GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE
TONE = (
    "audiotestsrc is-live=true ! mulawenc ! rtppcmupay ! "
    "application/x-rtp,media=audio,encoding-name=PCMU,clock-rate=8000,payload=0 ! identity name=last"
)


def agent():
    """Makes an agent: its type is there once the plugin is loaded."""
    factory = Gst.ElementFactory.find("sluicewhepsink")
    if factory is None or factory.load() is None:
        sys.exit("GStreamer does not find Sluice's WebRTC plugin: set GST_PLUGIN_PATH to the folder of libgstsluicewebrtc.so")
    return GObject.new(GObject.type_from_name("SluiceIceAgent"))


def main():
    Gst.init(None)
    ice = agent()
    pipeline = Gst.Pipeline()
    # webrtcbin takes its agent when it is made, and not later.
    answers = Gst.ElementFactory.make_with_properties("webrtcbin", ["bundle-policy", "ice-agent"], [BUNDLED, ice])
    offers = Gst.ElementFactory.make_with_properties("webrtcbin", ["bundle-policy"], [BUNDLED])
    tone = Gst.parse_bin_from_description(TONE, True)
    for element in (answers, offers, tone):
        pipeline.add(element)
    tone.link(offers)
    loop = GLib.MainLoop()
    came = 0

    def on_packet(_pad, _info):
        nonlocal came
        came += 1
        if came == ENOUGH:
            loop.quit()
        return Gst.PadProbeReturn.OK

    def on_pad(_webrtcbin, pad):
        sink = Gst.ElementFactory.make_with_properties("fakesink", ["async"], [False])
        pipeline.add(sink)
        pad.link(sink.get_static_pad("sink"))
        sink.sync_state_with_parent()
        pad.add_probe(Gst.PadProbeType.BUFFER, on_packet)

    def on_candidate(_webrtcbin, line, candidate, other):
        other.emit("add-ice-candidate", line, candidate)

    def create(webrtcbin, what):
        promise = Gst.Promise.new()
        webrtcbin.emit(f"create-{what}", None, promise)
        promise.wait()
        reply = promise.get_reply()
        # A copy: PyGObject leaves the original to the reply, which ends here.
        return reply.get_value(what).copy()

    def put(webrtcbin, action, description):
        promise = Gst.Promise.new()
        webrtcbin.emit(action, description, promise)
        promise.wait()

    answers.connect("pad-added", on_pad)
    offers.connect("on-ice-candidate", on_candidate, answers)
    answers.connect("on-ice-candidate", on_candidate, offers)
    pipeline.set_state(Gst.State.PLAYING)
    offer = create(offers, "offer")
    put(offers, "set-local-description", offer)
    put(answers, "set-remote-description", offer)
    # Who sends it to a peer elsewhere writes `a=ice-lite` into it.
    answer = create(answers, "answer")
    put(answers, "set-local-description", answer)
    put(offers, "set-remote-description", answer)

    GLib.timeout_add_seconds(60, loop.quit)
    loop.run()
    # Before webrtcbin is taken down: its handlers of what the agent tells take no reference.
    ice.emit("hush")
    pipeline.set_state(Gst.State.NULL)
    if came < ENOUGH:
        sys.exit(f"only {came} packets came")
    print(f"{came} packets came")


if __name__ == "__main__":
    main()
