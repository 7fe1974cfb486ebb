// The smallest WHEP viewer: POST an offer, play the answer. `window.whep(url)` returns the status.
window.whep = async (url, kinds = ['video', 'audio']) => {
  const peer = new RTCPeerConnection();
  const stream = new MediaStream();
  const video = document.querySelector('video');
  video.srcObject = stream;
  peer.ontrack = ({ track }) => stream.addTrack(track);
  for (const kind of kinds) peer.addTransceiver(kind, { direction: 'recvonly' });
  await peer.setLocalDescription(await peer.createOffer());
  await new Promise((done) => {
    if (peer.iceGatheringState === 'complete') done();
    peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
    setTimeout(done, 1000);
  });
  const offer = peer.localDescription.sdp;
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: offer,
  });
  const text = await answer.text();
  if (answer.status === 201) await peer.setRemoteDescription({ type: 'answer', sdp: text });
  video.play().catch(() => {});
  return { status: answer.status, location: answer.headers.get('location'), offer, answer: text };
};
