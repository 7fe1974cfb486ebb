// A WHEP viewer: receives one video and one audio track.

import { Session } from "./session.js";

/** A viewer of one endpoint. */
export class WhepSession extends Session {
  /** All tracks received so far. */
  stream = new MediaStream();

  addMedia() {
    this.pc.addTransceiver("video", { direction: "recvonly" });
    this.pc.addTransceiver("audio", { direction: "recvonly" });
  }

  onTrack(track) {
    this.stream.addTrack(track);
  }

  /** Offers stereo: browsers that do not say `stereo=1` decode Opus to one channel. */
  edit(sdp) {
    return withStereo(sdp);
  }

  /** True if the answer gives this kind ("audio", "video") a track. */
  has(kind) {
    return this.pc.getTransceivers().some(
      (t) => t.receiver.track.kind === kind && /recv/.test(t.currentDirection ?? ""),
    );
  }
}

/** Adds `stereo=1` to Opus where it is not said. */
export function withStereo(sdp) {
  return sdp.replace(/^(a=fmtp:\d+ (?!.*stereo=).*useinbandfec=1.*)$/gm, (line) =>
    `${line.trimEnd()};stereo=1${line.endsWith("\r") ? "\r" : ""}`);
}
