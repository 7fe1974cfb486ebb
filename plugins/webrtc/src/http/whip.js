// A WHIP publisher: sends the tracks of one stream.

import { Session } from "./session.js";

/** Bits per second that a picture of this many pixels may take; sound needs no limit. */
const BITS_PER_PIXEL = 3;
const LEAST_BITS = 600_000;
const MOST_BITS = 6_000_000;

/** A publisher to one endpoint. */
export class WhipSession extends Session {
  #stream;
  #codec;
  #senders = new Map();

  /** `codec` is the preferred video codec, such as "H264"; empty: the server's own preference. */
  constructor(endpoint, stream, { codec = "", ...options } = {}) {
    super(endpoint, options);
    this.#stream = stream;
    this.#codec = codec;
  }

  addMedia() {
    for (const track of this.#stream.getTracks()) {
      const transceiver = this.pc.addTransceiver(track, {
        direction: "sendonly",
        streams: [this.#stream],
        ...(track.kind === "video" && { sendEncodings: [{ maxBitrate: bitrateFor(track) }] }),
      });
      this.#senders.set(track.kind, transceiver.sender);
      if (track.kind === "video") prefer(transceiver, this.#codec);
    }
  }

  /** Sends another track of the same kind in place of the one before; false if none of that kind is sent. */
  async replace(track) {
    const sender = this.#senders.get(track.kind);
    await sender?.replaceTrack(track);
    return Boolean(sender);
  }
}

/** The video codecs that this browser can send, by their names in SDP, in its own order. */
export function sendableCodecs() {
  const codecs = RTCRtpSender.getCapabilities?.("video")?.codecs ?? [];
  const names = codecs.map((codec) => codec.mimeType.split("/")[1]);
  return [...new Set(names)].filter((name) => ["H264", "VP8", "VP9", "AV1"].includes(name.toUpperCase()));
}

/** Offers one codec, and what repairs it. The server takes its own favourite out of several. */
function prefer(transceiver, codec) {
  if (!codec || !transceiver.setCodecPreferences) return;
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const named = (name) => all.filter((one) => one.mimeType.toLowerCase() === `video/${name.toLowerCase()}`);
  const chosen = named(codec);
  if (chosen.length > 0) transceiver.setCodecPreferences([...chosen, ...named("rtx")]);
}

function bitrateFor(track) {
  const { width = 1280, height = 720, frameRate = 30 } = track.getSettings();
  const motion = Math.max(0.5, Math.min(2, frameRate / 30));
  return Math.round(Math.min(MOST_BITS, Math.max(LEAST_BITS, width * height * BITS_PER_PIXEL * motion)));
}
