// One WHIP or WHEP session (RFC 9725, draft-ietf-wish-whep): offer, answer, trickle, end. No page in here.

const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";

/** How long the offer waits for a first candidate; later ones are sent by PATCH. */
const GATHER_MS = 100;
/** How long ICE and DTLS may take after the answer. */
const CONNECT_MS = 10_000;
/** How long ICE restarts may take to mend a break, for example after a change of networks; then it is lost. */
const BROKEN_MS = 8_000;
/** How long one of them may take for its answer, and then for a way that works. */
const RESTART_MS = 1_500;
/** While networks change, browsers refuse requests at once. */
const REFUSED_MS = 300;

/** Why a session could not be had: a sentence for people, a status for the caller. */
export class SessionError extends Error {
  /** `status` 0 means that the server did not answer at all; `retryAfter` is in ms, or null. */
  constructor(sentence, status = 0, retryAfter = null) {
    super(sentence);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * A client of one endpoint. Call `open` once, then `close` once. What is offered, and what becomes of tracks that
 * come, is said by who extends it.
 */
export class Session {
  /** The STUN and TURN servers that the server named in its answer. */
  iceServers = [];

  #endpoint;
  #fetch;
  #onLost;
  #url = null;
  #etag = null;
  #closed = false;
  #timers = new Set();
  #candidates = [];
  #gathered = false;
  #trickles = false;
  #patching = false;
  #restarting = false;
  #counter = false;
  #lost = () => {};

  /**
   * `onLost(sentence)` is called at most once, after `open` succeeded. `fetch` may add credentials to each
   * request.
   */
  constructor(endpoint, { iceServers = [], onLost = () => {}, fetch = globalThis.fetch } = {}) {
    this.#endpoint = new URL(endpoint, document.baseURI);
    this.#fetch = (url, options) => fetch(url, options);
    this.#onLost = onLost;
    this.#prepare(iceServers);
  }

  /** Adds what is offered; called once, before the offer is made. */
  addMedia() {}

  /** Takes a track that comes. */
  onTrack() {}

  /** Changes the offer before it is set; browsers may refuse the change, then the offer stays as it was. */
  edit(sdp) {
    return sdp;
  }

  /** Makes the session; rejects with a `SessionError`. */
  async open() {
    this.addMedia();
    await this.#setLocalOffer();
    const offer = await this.#description();
    const response = await this.#request("POST", this.#endpoint, { "Content-Type": SDP }, offer);
    const counter = response.status === 406 && isSdp(response);
    this.#counter = counter;
    if (!counter && (!response.ok || !isSdp(response))) {
      throw await refusal(response);
    }
    this.#remember(response);
    const sdp = await response.text();
    if (this.#closed) {
      this.#delete();
      return;
    }
    await (counter ? this.#answerTo(sdp) : this.pc.setRemoteDescription({ type: "answer", sdp }));
    this.#watch();
    this.#trickles = true;
    this.#trickle();
  }

  /** Looks for new ways to the server without a new session. Nothing is lost if that does not help. */
  mend() {
    this.#restart();
  }

  /** Ends the session here and at the server; may be called at any time, also while the page unloads. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.forEach(clearTimeout);
    this.#delete();
    this.pc.close();
  }

  #prepare(iceServers) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers });
    pc.addEventListener("track", ({ track }) => this.onTrack(track));
    pc.addEventListener("icecandidate", ({ candidate }) => {
      if (pc !== this.pc) return;
      if (candidate?.candidate) this.#candidates.push(candidate);
      else this.#gathered = true;
      this.#trickle();
    });
    this.pc = pc;
  }

  /** The local description with the candidates that came in time; they are not sent again. */
  async #description() {
    await this.#gather();
    this.#candidates = [];
    return this.pc.localDescription.sdp;
  }

  /** Waits a little for candidates. */
  async #gather() {
    await new Promise((done) => {
      const check = () => (this.#candidates.length > 0 || this.#gathered) && done();
      setTimeout(done, GATHER_MS);
      this.pc.addEventListener("icecandidate", check);
      check();
    });
  }

  /** Takes the server's counter-offer (406): it replaces ours, and our answer goes back by PATCH. */
  async #answerTo(offer) {
    const { iceServers } = this;
    this.pc.close();
    this.#gathered = false;
    this.#prepare(iceServers);
    await this.pc.setRemoteDescription({ type: "offer", sdp: offer });
    await this.pc.setLocalDescription();
    const answer = await this.#description();
    const response = await this.#request("PATCH", this.#url, { "Content-Type": SDP }, answer);
    if (!response.ok) throw await refusal(response);
  }

  async #setLocalOffer() {
    const { type, sdp } = await this.pc.createOffer();
    try {
      await this.pc.setLocalDescription({ type, sdp: this.edit(sdp) });
    } catch {
      await this.pc.setLocalDescription({ type, sdp });
    }
  }

  #remember(response) {
    const location = response.headers.get("Location");
    if (!location) throw new SessionError("The server gave the session no address.", response.status);
    this.#url = sessionUrl(this.#endpoint, location);
    this.#etag = response.headers.get("ETag");
    this.iceServers = iceServersOf(response.headers.get("Link") ?? "");
  }

  #watch() {
    const lost = (sentence) => {
      if (this.#closed) return;
      this.close();
      this.#onLost(sentence);
    };
    this.#lost = lost;
    const connecting = this.#after(CONNECT_MS, () =>
      lost("The server answered, but no media gets through. Is its UDP port open?"));
    let broken = null;
    this.pc.addEventListener("connectionstatechange", () => {
      const state = this.pc.connectionState;
      if (state === "connected") {
        clearTimeout(connecting);
        clearTimeout(broken);
        broken = null;
      } else if ((state === "disconnected" || state === "failed") && broken === null) {
        // A network that is gone makes the connection fail at once, without a time of being disconnected.
        broken = this.#after(BROKEN_MS, () => lost("The connection broke."));
        this.#restart();
      }
    });
    // The server says goodbye by closing DTLS; not every browser turns that into a connection state.
    const dtls = this.pc.getTransceivers()[0]?.sender.transport;
    dtls?.addEventListener("statechange", () => {
      if (dtls.state === "closed" || dtls.state === "failed") lost("The server ended the session.");
    });
  }

  /** Sends the candidates found since the last fragment; one PATCH at a time keeps their order. */
  async #trickle() {
    if (!this.#trickles || this.#patching || this.#closed) return;
    if (this.#candidates.length === 0 && !this.#gathered) return;
    const body = fragment(this.pc.localDescription.sdp, this.#candidates, this.#gathered);
    this.#candidates = [];
    this.#trickles = !this.#gathered;
    this.#patching = true;
    const headers = { "Content-Type": FRAGMENT, ...(this.#etag && { "If-Match": this.#etag }) };
    try {
      const response = await this.#request("PATCH", this.#url, headers, body);
      // A server without trickle still finds us by our own checks; nothing to repeat.
      if (!response.ok) this.#trickles = false;
    } catch {
      this.#trickles = false;
    }
    this.#patching = false;
    this.#trickle();
  }

  /**
   * Finds new ways to the server, for the same session (RFC 9725, section 4.3.3), again until one works: while a network
   * changes, requests are lost, and there may be no address yet to be reached at.
   */
  async #restart() {
    // Whoever answered cannot offer new credentials.
    if (this.#restarting || this.#counter || this.#closed) return;
    this.#restarting = true;
    const end = Date.now() + BROKEN_MS;
    let mended = false;
    while (!mended && !this.#closed && Date.now() < end) {
      try {
        await this.#restartOnce();
        mended = await this.#connected();
      } catch {
        await new Promise((done) => setTimeout(done, REFUSED_MS));
      }
    }
    this.#restarting = false;
  }

  async #restartOnce() {
    this.#trickles = false;
    this.#candidates = [];
    this.#gathered = false;
    this.pc.restartIce();
    await this.#setLocalOffer();
    await this.#gather();
    const whole = this.#gathered;
    const body = fragment(this.pc.localDescription.sdp, this.#candidates, whole);
    this.#candidates = [];
    const headers = { "Content-Type": FRAGMENT, "If-Match": "*" };
    const response = await this.#request("PATCH", this.#url, headers, body, AbortSignal.timeout(RESTART_MS));
    if (response.status === 404) this.#lost("The server ended the session.");
    if (response.status !== 200 || this.#closed) return;
    this.#etag = response.headers.get("ETag");
    const sdp = renewed(this.pc.remoteDescription.sdp, await response.text());
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    this.#trickles = !whole;
    this.#trickle();
  }

  /** Whether a way to the server works, or does so in time. */
  async #connected() {
    const end = Date.now() + RESTART_MS;
    while (this.pc.connectionState !== "connected" && !this.#closed && Date.now() < end) {
      await new Promise((done) => setTimeout(done, 50));
    }
    return this.pc.connectionState === "connected";
  }

  #delete() {
    if (!this.#url) return;
    this.#fetch(this.#url, { method: "DELETE", keepalive: true }).catch(() => {});
    this.#url = null;
  }

  async #request(method, url, headers, body, signal) {
    try {
      return await this.#fetch(url, { method, headers, body, signal, cache: "no-store" });
    } catch {
      throw new SessionError("The server does not answer.");
    }
  }

  #after(ms, act) {
    const timer = setTimeout(act, ms);
    this.#timers.add(timer);
    return timer;
  }
}

function isSdp(response) {
  return (response.headers.get("Content-Type") ?? "").toLowerCase().startsWith(SDP);
}

/** Turns an error answer into its sentence: problem+json's `detail` first. */
async function refusal(response) {
  const { status } = response;
  let sentence = "";
  try {
    const problem = JSON.parse(await response.text());
    sentence = problem.detail || problem.title || "";
  } catch {
    // Not JSON, for example a proxy's page: the class of the status must do.
  }
  if (typeof sentence !== "string" || !sentence) sentence = sentenceFor(status);
  return new SessionError(sentence, status, retryAfter(response.headers.get("Retry-After")));
}

function sentenceFor(status) {
  if (status === 401 || status === 403) return "You have no right to this stream.";
  if (status === 404) return "There is no stream of this name.";
  if (status >= 500) return `The server has a problem (${status}).`;
  if (status >= 400) return `The server refused this browser (${status}).`;
  return `The server's answer makes no sense (${status}).`;
}

/** Milliseconds of a `Retry-After` header (seconds or a date), or null. */
function retryAfter(value) {
  if (!value) return null;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/**
 * The session's URL. A proxy that adds a path prefix may not rewrite `Location`, so where the server
 * put the session below its endpoint, it is taken as below the endpoint that we know to work.
 */
export function sessionUrl(endpoint, location) {
  const url = new URL(location, endpoint);
  const [, protocol, id] = /\/(whep|whip)\/([^/]+)$/.exec(url.pathname) ?? [];
  const below = id && url.origin === endpoint.origin && endpoint.pathname.endsWith(`/${protocol}`);
  return below ? new URL(`${endpoint.pathname}/${id}`, endpoint) : url;
}

/** The `ice-server` entries of one or several joined `Link` headers; other relations are ignored. */
export function iceServersOf(header) {
  const link = /<([^>]*)>((?:\s*;\s*[^\s=;,]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,]*))?)*)/g;
  const parameter = /;\s*([^\s=;,]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,]*)))?/g;
  const servers = [];
  for (const [, urls, rest] of header.matchAll(link)) {
    const given = {};
    for (const [, name, quoted, plain] of rest.matchAll(parameter)) {
      given[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
    }
    if (!(given.rel ?? "").toLowerCase().split(/\s+/).includes("ice-server")) continue;
    const { username, credential } = given;
    servers.push(username ? { urls, username, credential } : { urls });
  }
  return servers;
}

/** The ICE servers that an endpoint names before there is an offer; null if it does not answer. */
export async function iceServersFor(endpoint, ask) {
  try {
    const response = await ask(endpoint, { method: "OPTIONS", cache: "no-store", signal: AbortSignal.timeout(4000) });
    return iceServersOf(response.headers.get("Link") ?? "");
  } catch {
    // The POST that follows says what is wrong.
    return null;
  }
}

/** A trickle fragment (RFC 8840, section 9) of the candidates, with the end mark once all are known. */
export function fragment(sdp, candidates, complete) {
  const line = (name) => new RegExp(`^a=${name}:.*$`, "m").exec(sdp)?.[0].trim();
  const lines = [line("ice-ufrag"), line("ice-pwd")];
  const mids = new Set(candidates.map((c) => c.sdpMid));
  if (mids.size === 0) mids.add(line("mid")?.slice("a=mid:".length));
  for (const mid of mids) {
    lines.push(`m=${kindOf(sdp, mid)} 9 UDP/TLS/RTP/SAVPF 0`, `a=mid:${mid}`);
    for (const c of candidates.filter((c) => c.sdpMid === mid)) lines.push(`a=${c.candidate}`);
    if (complete) lines.push("a=end-of-candidates");
  }
  return lines.join("\r\n") + "\r\n";
}

/** An answer with the credentials and candidates of the fragment that replied to a restart. */
export function renewed(answer, reply) {
  const value = (name) => new RegExp(`^a=${name}:(.*)$`, "im").exec(reply)?.[1].trim();
  const candidates = reply.split(/\r?\n/).filter((l) => /^a=(candidate:|end-of-candidates)/i.test(l));
  const lines = answer.split(/\r?\n/).filter((l) => l && !/^a=(candidate:|end-of-candidates)/i.test(l));
  const out = [];
  let sections = 0;
  for (const line of lines) {
    // All sections share the transport of the first.
    if (line.startsWith("m=") && ++sections === 2) out.push(...candidates);
    if (/^a=ice-ufrag:/i.test(line)) out.push(`a=ice-ufrag:${value("ice-ufrag")}`);
    else if (/^a=ice-pwd:/i.test(line)) out.push(`a=ice-pwd:${value("ice-pwd")}`);
    else out.push(line);
  }
  if (sections < 2) out.push(...candidates);
  return out.join("\r\n") + "\r\n";
}

function kindOf(sdp, mid) {
  const section = sdp.split(/^m=/m).find((s) => s.split(/\r?\n/).includes(`a=mid:${mid}`));
  return section?.startsWith("audio") ? "audio" : "video";
}
