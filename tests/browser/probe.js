// Runs inside the page: collects what a viewer sees and hears, whoever made the connection.
//
// Installed before any script of the page, so that every RTCPeerConnection is seen.
// `sluiceProbe.report()` gives one snapshot; the driver prints it once a second.

(() => {
  const peers = [];
  const Native = window.RTCPeerConnection;
  if (!Native || window.sluiceProbe) return;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      peers.push(this);
    }
  };

  const canvas = document.createElement('canvas');
  const ears = new Map(); // stream id -> analyser
  let context;

  // The middle of each of the seven bars of the known picture, at a third of its height.
  function pixels(video) {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const g = canvas.getContext('2d', { willReadFrequently: true });
    g.drawImage(video, 0, 0);
    const y = Math.floor(canvas.height / 3);
    const bars = [];
    for (let bar = 0; bar < 7; bar += 1) {
      const x = Math.floor(((bar + 0.5) * canvas.width) / 7);
      bars.push([...g.getImageData(x, y, 1, 1).data.slice(0, 3)]);
    }
    return { bars, hash: hash(g) };
  }

  // FNV-1a of a coarse grid of the whole picture: differs when the burnt-in clock moves. 53 is no multiple of 4, so that it
  // takes each channel in turn: Firefox's camera may change its green and blue alone.
  function hash(g) {
    const { data } = g.getImageData(0, 0, canvas.width, canvas.height);
    let h = 0x811c9dc5;
    for (let i = 0; i < data.length; i += 53) h = Math.imul(h ^ data[i], 0x01000193) >>> 0;
    return h;
  }

  function ear(stream) {
    context ??= new AudioContext({ sampleRate: 48000 });
    if (context.state !== 'running') context.resume();
    if (!ears.has(stream.id)) {
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      context.createMediaStreamSource(stream).connect(analyser);
      ears.set(stream.id, analyser);
    }
    return ears.get(stream.id);
  }

  const decibels = (amplitude) => Math.round(Math.max(-200, 20 * Math.log10(amplitude)) * 10) / 10;

  // Loudest frequency and its level in dB, and the level at the known tone.
  async function listen(stream) {
    const analyser = ear(stream);
    if (context.state !== 'running') return listenToRecording(stream);
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const hz = context.sampleRate / analyser.fftSize;
    let top = 1;
    for (let i = 2; i < bins.length; i += 1) if (bins[i] > bins[top]) top = i;
    const at = (f) => Math.max(...[-1, 0, 1].map((d) => bins[Math.round(f / hz) + d]));
    const finite = (v) => (Number.isFinite(v) ? Math.round(v * 10) / 10 : -200);
    return { peakHz: Math.round(top * hz), peakDb: finite(bins[top]), toneDb: finite(at(440)) };
  }

  // Firefox runs no AudioContext on a machine without a sound card, but records and decodes.
  async function listenToRecording(stream) {
    const recorder = new MediaRecorder(new MediaStream(stream.getAudioTracks()));
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.start();
    await new Promise((done) => setTimeout(done, 400));
    await new Promise((done) => {
      recorder.onstop = done;
      recorder.stop();
    });
    const bytes = await new Blob(parts).arrayBuffer();
    const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(bytes);
    const samples = sound.getChannelData(0).subarray(-4800);
    const levels = new Map();
    for (let f = 100; f <= 1000; f += 20) levels.set(f, amplitude(samples, f / sound.sampleRate));
    const [peakHz, peak] = [...levels].reduce((a, b) => (b[1] > a[1] ? b : a));
    return { peakHz, peakDb: decibels(peak), toneDb: decibels(levels.get(440)) };
  }

  // Of the part of the signal at this frequency (in cycles per sample): one bin of a Fourier transform.
  function amplitude(samples, frequency) {
    let [re, im] = [0, 0];
    samples.forEach((sample, n) => {
      const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / samples.length);
      re += sample * window * Math.cos(2 * Math.PI * frequency * n);
      im += sample * window * Math.sin(2 * Math.PI * frequency * n);
    });
    return (4 * Math.hypot(re, im)) / samples.length;
  }

  async function counters(peer) {
    const out = { state: peer.connectionState, clock: performance.now(), framesDecoded: 0, framesReceived: 0, packetsLost: 0 };
    for (const s of (await peer.getStats()).values()) {
      if (s.type === 'codec') out[s.mimeType.startsWith('video') ? 'codec' : 'audioCodec'] = s.mimeType;
      if (s.type !== 'inbound-rtp') continue;
      if (s.kind === 'video') {
        out.framesDecoded = s.framesDecoded ?? 0;
        out.framesReceived = s.framesReceived ?? 0;
        out.keyFramesDecoded = s.keyFramesDecoded ?? 0;
        out.packetsLost = s.packetsLost ?? 0;
        out.nackCount = s.nackCount ?? 0;
        out.freezeCount = s.freezeCount ?? 0;
        out.freezeSeconds = s.totalFreezesDuration ?? 0;
        out.jitterMs = s.jitterBufferEmittedCount
          ? (1000 * s.jitterBufferDelay) / s.jitterBufferEmittedCount
          : 0;
      } else {
        out.audioPackets = s.packetsReceived ?? 0;
        out.audioConcealed = s.concealedSamples ?? 0;
        out.audioSamples = s.totalSamplesReceived ?? 0;
      }
    }
    return out;
  }

  window.sluiceProbe = {
    peers,
    // How the newest connection's packets go: `host udp`, `relay udp`, `relay tcp` (to the relay), `host tcp`.
    async way() {
      const stats = await peers.at(-1).getStats();
      const transport = [...stats.values()].find((s) => s.type === 'transport');
      const pair = stats.get(transport?.selectedCandidatePairId);
      const local = stats.get(pair?.localCandidateId);
      return local ? `${local.candidateType} ${local.relayProtocol ?? local.protocol}` : 'none';
    },
    // What a TURN server gives: addresses of relays, and the codes of its refusals.
    async relays(servers) {
      const peer = new Native({ iceServers: servers, iceTransportPolicy: 'relay' });
      const [candidates, errors] = [[], []];
      peer.onicecandidateerror = (event) => errors.push(event.errorCode);
      peer.addTransceiver('video');
      await new Promise((done) => {
        peer.onicecandidate = ({ candidate }) => (candidate ? candidates.push(candidate.candidate) : done());
        peer.setLocalDescription();
      });
      peer.close();
      return { candidates, errors };
    },
    async report() {
      const peer = peers.filter((p) => p.connectionState !== 'closed').at(-1) ?? peers.at(-1);
      const out = {
        peers: peers.length,
        url: location.href,
        // Set once per load: shows whether the page was loaded anew.
        loadedAt: performance.timeOrigin,
        ...(peer ? await counters(peer) : { state: 'none', framesDecoded: 0 }),
      };
      const video = document.querySelector('video');
      if (!video) return out;
      out.width = video.videoWidth;
      out.height = video.videoHeight;
      out.time = video.currentTime;
      out.paused = video.paused;
      out.muted = video.muted;
      if (video.videoWidth > 0) Object.assign(out, pixels(video));
      if (video.srcObject?.getAudioTracks().length > 0) {
        out.audio = await listen(video.srcObject);
      }
      return out;
    },
  };
})();
