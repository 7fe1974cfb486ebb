// Turns two readings of getStats() into the numbers that people ask for.

/** A reading of what is received: the reports that matter, from browsers that name them differently. */
export function reading(report) {
  return tracks(report, "inbound-rtp");
}

/** A reading of what is sent. */
export function sent(report) {
  const now = tracks(report, "outbound-rtp");
  const remote = (track) => report.get(track?.remoteId);
  return { ...now, reported: { video: remote(now.video), audio: remote(now.audio) } };
}

function tracks(report, type) {
  const all = [...report.values()];
  const inbound = (kind) => all.find((r) => r.type === type && r.kind === kind);
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

/** Whether packets came between two readings, of pictures or of sound. */
export function arrived(now, before) {
  const came = (kind) => (now[kind]?.packetsReceived ?? 0) > (before?.[kind]?.packetsReceived ?? 0);
  return came("video") || came("audio");
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

/** The numbers of what is sent, between two readings; a value that the browser does not tell is null. */
export function sentNumbers(now, before) {
  const { video, audio, pair, reported } = now;
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  const grown = (track, key) => (now[track]?.[key] ?? 0) - (before?.[track]?.[key] ?? 0);
  const rate = (amount) => (seconds > 0 ? amount / seconds : null);
  const report = reported.video ?? reported.audio;
  return {
    videoCodec: codecName(now.videoCodec),
    audioCodec: codecName(now.audioCodec),
    width: video?.frameWidth ?? null,
    height: video?.frameHeight ?? null,
    fps: video ? (video.framesPerSecond ?? rate(grown("video", "framesEncoded"))) : null,
    bitrate: rate(8 * (grown("video", "bytesSent") + grown("audio", "bytesSent"))),
    available: pair?.availableOutgoingBitrate ?? null,
    rttMs: pair?.currentRoundTripTime === undefined ? null : 1000 * pair.currentRoundTripTime,
    loss: report?.fractionLost ?? null,
    resent: (video?.retransmittedPacketsSent ?? 0) + (audio?.retransmittedPacketsSent ?? 0),
    keyFramesAsked: (video?.pliCount ?? 0) + (video?.firCount ?? 0),
    limit: video?.qualityLimitationReason ?? null,
    candidate: candidateName(now.local, now.remote),
  };
}

const value = (number, text) => (number === null || number === undefined ? "–" : text(number));
const bits = (b) => (b < 1e6 ? `${Math.round(b / 1e3)} kbit/s` : `${(b / 1e6).toFixed(2)} Mbit/s`);
const ms = (n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;

/** Rows of what is sent: label and value, in reading order. */
export function sentRows(n) {
  return [
    ["Video", [n.videoCodec, n.width && `${n.width} × ${n.height}`].filter(Boolean).join(", ") || "none"],
    ["Audio", n.audioCodec ?? "none"],
    ["Frame rate", value(n.fps, (f) => `${Math.round(f)} fps`)],
    ["Bitrate", value(n.bitrate, bits)],
    ["Line allows", value(n.available, bits)],
    ["Round trip", value(n.rttMs, ms)],
    ["Loss", value(n.loss, (l) => `${(100 * l).toFixed(1)} %`)],
    ["Packets sent again", `${n.resent}`],
    ["Key frames asked for", `${n.keyFramesAsked}`],
    ["Held back by", n.limit === "none" || !n.limit ? "nothing" : n.limit],
    ["Connection", n.candidate ?? "–"],
  ];
}

/** Rows for the panel: label and value, in reading order. */
export function rows(n) {
  return [
    ["Video", [n.videoCodec, n.width && `${n.width} × ${n.height}`].filter(Boolean).join(", ") || "none"],
    ["Audio", n.audioCodec ?? "none"],
    ["Frame rate", value(n.fps, (f) => `${Math.round(f)} fps`)],
    ["Bitrate", value(n.bitrate, bits)],
    ["Jitter buffer", value(n.latencyMs, (ms) => `${Math.round(ms)} ms`)],
    ["Round trip", value(n.rttMs, ms)],
    ["Loss", value(n.loss, (l) => `${(100 * l).toFixed(1)} %`)],
    ["Lost / recovered", `${n.packetsLost} / ${n.packetsRecovered}`],
    ["Frames dropped", `${n.framesDropped}`],
    ["Connection", n.candidate ?? "–"],
  ];
}

function codecName(codec) {
  if (!codec?.mimeType) return null;
  const name = codec.mimeType.split("/")[1];
  const known = { H264: "H.264", H265: "H.265", OPUS: "Opus", PCMU: "G.711 µ-law", PCMA: "G.711 A-law", G722: "G.722" };
  return known[name.toUpperCase()] ?? name;
}

function candidateName(local, remote) {
  if (!local || !remote) return null;
  const protocol = (local.relayProtocol ?? local.protocol ?? "udp").toUpperCase();
  return `${protocol}, ${local.candidateType} → ${remote.candidateType}`;
}
