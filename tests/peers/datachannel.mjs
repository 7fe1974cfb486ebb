// libdatachannel (what OBS uses) as a viewer or a publisher of H.264 and Opus.
//
// `node datachannel.mjs view URL PORT` sends the H.264 packets that come, decrypted, to a UDP port of this machine;
// `node datachannel.mjs publish URL` publishes the H.264 packets that come at the UDP port that it names.
// Prints one JSON line a second.

import { createSocket } from 'node:dgram';
import datachannel from 'node-datachannel';

const [mode, url, port] = process.argv.slice(2);
const H264 = 96;
const OPUS = 111;
const SSRC = 4242;
const seen = { state: 'new', video: 0, audio: 0 };

const socket = createSocket('udp4');
const peer = new datachannel.PeerConnection('peer', { iceServers: [] });
peer.onStateChange((state) => {
  seen.state = state;
});
const direction = mode === 'view' ? 'RecvOnly' : 'SendOnly';
const video = new datachannel.Video('video', direction);
video.addH264Codec(H264);
const audio = new datachannel.Audio('audio', direction);
audio.addOpusCodec(OPUS);
if (mode === 'publish') video.addSSRC(SSRC, 'sluice', 'stream', 'video');
// Audio is offered by viewers only: what is published here has none.
const media = mode === 'view' ? [video, audio] : [video];
const tracks = media.map((one) => peer.addTrack(one));

for (const track of tracks) {
  track.setMediaHandler(new datachannel.RtcpReceivingSession());
  track.onMessage((packet) => {
    const type = packet[1] & 0x7f;
    if (type === H264) seen.video += 1;
    else if (type === OPUS) seen.audio += 1;
    if (type === H264) socket.send(packet, Number(port), '127.0.0.1');
  });
}
if (mode === 'publish') {
  socket.bind(0, '127.0.0.1', () => console.log(JSON.stringify({ port: socket.address().port })));
  socket.on('message', (packet) => {
    const [track] = tracks;
    if (!track.isOpen()) return;
    packet.writeUInt32BE(SSRC, 8);
    seen.video += 1;
    track.sendMessageBinary(packet);
  });
}

peer.onGatheringStateChange(async (state) => {
  if (state !== 'complete') return;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: peer.localDescription().sdp,
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${answer}`);
  peer.setRemoteDescription(answer, 'answer');
});
peer.setLocalDescription('offer');
setInterval(() => console.log(JSON.stringify(seen)), 1000);
