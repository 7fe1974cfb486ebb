// A page that uses gstwebrtc-api as its own documentation says. `?ws=URL` is the socket; `&path=NAME` with
// `&do=watch|offer|camera|bars` says what to do there. What happened is in `window.seen`.

const asked = new URLSearchParams(location.search);
const path = asked.get('path');
const seen = { connected: false, producers: [], removed: [], state: 'idle', errors: [] };
window.seen = seen;

// The API says on the console, and nowhere else, that it got no socket.
const complain = console.error;
console.error = (...what) => {
  seen.errors.push(what.map(String).join(' '));
  complain(...what);
};

const api = new GstWebRTCAPI({
  meta: { name: path },
  signalingServerUrl: asked.get('ws'),
  reconnectionTimeout: 0,
  // Its own servers are Google's, and the tests reach nothing outside.
  webrtcConfig: { iceServers: [], bundlePolicy: 'max-bundle' },
});

function follow(session) {
  session.addEventListener('error', (event) => seen.errors.push(`${event.message}: ${event.error}`));
  session.addEventListener('stateChanged', () => {
    seen.state = ['idle', 'connecting', 'streaming', 'closed'][session.state] ?? String(session.state);
  });
  window.session = session;
}

function watch(session) {
  follow(session);
  session.addEventListener('streamsChanged', () => {
    document.querySelector('video').srcObject = session.streams[0];
  });
  session.connect();
}

function publish(stream) {
  const session = api.createProducerSession(stream);
  follow(session);
  session.start();
}

// The known picture: seven bars, the strip below them, and something that moves.
function bars() {
  const [width, height] = [640, 360];
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  document.body.append(canvas);
  const g = canvas.getContext('2d');
  const row = (colours, top, bottom) =>
    colours.forEach((colour, n) => {
      g.fillStyle = colour;
      g.fillRect((n * width) / 7, top, width / 7 + 1, bottom - top);
    });
  let frame = 0;
  const paint = () => {
    row(['#fff', '#ff0', '#0ff', '#0f0', '#f0f', '#f00', '#00f'], 0, 240);
    row(['#00f', '#000', '#f0f', '#000', '#0ff', '#000', '#fff'], 240, 270);
    row(['#000'], 270, height);
    g.fillStyle = '#fff';
    g.fillRect((frame * 8) % width, 290, 40, 40);
    frame += 1;
  };
  paint();
  setInterval(paint, 40);
  return canvas.captureStream(25);
}

const starts = {
  watch: () => watch(api.createConsumerSession(path)),
  offer: () =>
    watch(api.createConsumerSessionWithOfferOptions(path, { offerToReceiveVideo: true, offerToReceiveAudio: true })),
  bars: () => publish(bars()),
  camera: async () => publish(await navigator.mediaDevices.getUserMedia({ audio: true, video: true })),
};
const start = () => starts[asked.get('do')]();
const watches = ['watch', 'offer'].includes(asked.get('do'));

api.registerConnectionListener({
  connected: () => {
    seen.connected = true;
    if (!watches) start();
  },
  disconnected: () => {
    seen.connected = false;
  },
});
api.registerPeerListener({
  producerAdded: (producer) => {
    seen.producers.push(producer.meta.name);
    if (watches && producer.id === path && !window.session) start();
  },
  producerRemoved: (producer) => seen.removed.push(producer.id),
});
