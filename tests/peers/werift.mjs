// werift as a viewer: `node werift.mjs URL PORT` sends the H.264 packets that come to a UDP port of this machine.
// Prints one JSON line a second.

import { createSocket } from 'node:dgram';
import { RTCPeerConnection, RTCRtpCodecParameters, useNACK, usePLI } from 'werift';

const [url, port] = process.argv.slice(2);
const seen = { state: 'new', video: 0, audio: 0 };
const socket = createSocket('udp4');
const h264 = new RTCRtpCodecParameters({
  mimeType: 'video/H264',
  clockRate: 90000,
  payloadType: 96,
  parameters: 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
  rtcpFeedback: [useNACK(), usePLI()],
});
const opus = new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48000, channels: 2, payloadType: 111 });
const peer = new RTCPeerConnection({ codecs: { video: [h264], audio: [opus] }, iceServers: [], bundlePolicy: 'max-bundle' });
peer.connectionStateChange.subscribe((state) => {
  seen.state = state;
});
peer.onTrack.subscribe((track) => {
  track.onReceiveRtp.subscribe((packet) => {
    seen[track.kind] += 1;
    if (track.kind === 'video') socket.send(packet.serialize(), Number(port), '127.0.0.1');
  });
});
for (const kind of ['video', 'audio']) peer.addTransceiver(kind, { direction: 'recvonly' });
await peer.setLocalDescription(await peer.createOffer());
if (peer.iceGatheringState !== 'complete') {
  await peer.iceGatheringStateChange.watch((state) => state === 'complete');
}
const response = await fetch(url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/sdp' },
  body: peer.localDescription.sdp,
});
const sdp = await response.text();
if (response.status !== 201) throw new Error(`${response.status} ${sdp}`);
await peer.setRemoteDescription({ type: 'answer', sdp });
setInterval(() => console.log(JSON.stringify(seen)), 1000);
