// Turns two readings of getStats() into the numbers that people ask for.

/** A reading: the reports that matter, from browsers that name them differently. */
export function reading(report) {
  const all = [...report.values()];
  const inbound = (kind) => all.find((r) => r.type === "inbound-rtp" && r.kind === kind);
  const transport = all.find((r) => r.type === "transport" && r.selectedCandidatePairId);
  const pair = report.get(transport?.selectedCandidatePairId)
    ?? all.find((r) => r.type === "candidate-pair" && (r.selected || (r.nominated && r.state === "succeeded")));
  return {
    at: all[0]?.timestamp ?? 0,
    video: inbound("video"),
    audio: inbound("audio"),
    videoCodec: report.get(inbound("video")?.codecId),
    audioCodec: report.get(inbound("audio")?.codecId),
    pair,
    local: report.get(pair?.localCandidateId),
    remote: report.get(pair?.remoteCandidateId),
  };
}

/** A count that grows as long as pictures (or, without video, sound) arrive. */
export function progress({ video, audio }) {
  return video?.framesDecoded ?? audio?.packetsReceived ?? 0;
}

/** The numbers between two readings; a value that the browser does not tell is null. */
export function numbers(now, before) {
  const { video, audio, pair } = now;
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  const grown = (track, key) => (now[track]?.[key] ?? 0) - (before?.[track]?.[key] ?? 0);
  const rate = (amount) => (seconds > 0 ? amount / seconds : null);
  const track = video ? "video" : "audio";
  const received = grown(track, "packetsReceived");
  const lost = Math.max(0, grown(track, "packetsLost"));
  const emitted = grown(track, "jitterBufferEmittedCount");
  const bits = 8 * (grown("video", "bytesReceived") + grown("audio", "bytesReceived"));
  const frames = rate(grown("video", "framesDecoded"));
  return {
    videoCodec: codecName(now.videoCodec),
    audioCodec: codecName(now.audioCodec),
    width: video?.frameWidth ?? null,
    height: video?.frameHeight ?? null,
    fps: video ? (video.framesPerSecond ?? frames) : null,
    bitrate: rate(bits),
    latencyMs: emitted > 0 ? (1000 * grown(track, "jitterBufferDelay")) / emitted : null,
    rttMs: pair?.currentRoundTripTime === undefined ? null : 1000 * pair.currentRoundTripTime,
    loss: received + lost > 0 ? lost / (received + lost) : null,
    packetsLost: (video?.packetsLost ?? 0) + (audio?.packetsLost ?? 0),
    packetsRecovered: (video?.retransmittedPacketsReceived ?? 0) + (audio?.retransmittedPacketsReceived ?? 0),
    framesDecoded: video?.framesDecoded ?? 0,
    framesDropped: video?.framesDropped ?? 0,
    freezes: video?.freezeCount ?? null,
    candidate: candidateName(now.local, now.remote),
  };
}

/** Rows for the panel: label and value, in reading order. */
export function rows(n) {
  const value = (number, text) => (number === null || number === undefined ? "–" : text(number));
  return [
    ["Video", [n.videoCodec, n.width && `${n.width} × ${n.height}`].filter(Boolean).join(", ") || "none"],
    ["Audio", n.audioCodec ?? "none"],
    ["Frame rate", value(n.fps, (f) => `${Math.round(f)} fps`)],
    ["Bitrate", value(n.bitrate, (b) => (b < 1e6 ? `${Math.round(b / 1e3)} kbit/s` : `${(b / 1e6).toFixed(2)} Mbit/s`))],
    ["Jitter buffer", value(n.latencyMs, (ms) => `${Math.round(ms)} ms`)],
    ["Round trip", value(n.rttMs, (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`)],
    ["Loss", value(n.loss, (l) => `${(100 * l).toFixed(1)} %`)],
    ["Lost / recovered", `${n.packetsLost} / ${n.packetsRecovered}`],
    ["Frames dropped", `${n.framesDropped}`],
    ["Connection", n.candidate ?? "–"],
  ];
}

function codecName(codec) {
  if (!codec?.mimeType) return null;
  const name = codec.mimeType.split("/")[1];
  const known = { H264: "H.264", H265: "H.265", opus: "Opus", PCMU: "G.711 µ-law", PCMA: "G.711 A-law", G722: "G.722" };
  return known[name] ?? name;
}

function candidateName(local, remote) {
  if (!local || !remote) return null;
  const protocol = (local.relayProtocol ?? local.protocol ?? "udp").toUpperCase();
  return `${protocol}, ${local.candidateType} → ${remote.candidateType}`;
}
