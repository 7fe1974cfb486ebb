// The player page: keeps one WHEP session up and says in words what happens.

import { ask, signedIn, signInForm, takeTokenFromAddress } from "./access.js";
import { iceServersFor } from "./session.js";
import { WhepSession } from "./whep.js";
import { arrived, numbers, progress, reading, rows } from "./stats.js";

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;
/** A refusal that only a person can mend is asked again this seldom. */
const REFUSED_MS = 30_000;
/** So much play proves that the connection is good: the next break starts from the first delay. */
const HEALTHY_MS = 30_000;
/** No new picture for this long, with a running source and nothing that arrives, means that this session is dead. */
const FROZEN_MS = 8_000;
/** While something arrives, a new session would get no more: the network is slow, and only key frames come over it. */
const ARRIVING_MS = 15_000;
/** When nothing at all comes, new ways to the server are looked for: browsers take seconds to notice another network. */
const MEND_MS = 2_000;
/** The first picture may have to wait for the source's next key frame. */
const FIRST_PICTURE_MS = 12_000;
/** From here on, missing pictures are a reason to ask how the source is. */
const MISSING_MS = 1_500;
const GRAPH_POINTS = 60;

/** What the source's states mean to a viewer; the source's own reason goes before the sentence. */
const SOURCE = {
  idle: ["connecting", "Starting the source."],
  starting: ["connecting", "Connecting to the source."],
  connecting: ["connecting", "Connecting to the source."],
  waiting: ["waiting", "Waiting for the source."],
  stalled: ["waiting", "The source has stopped sending."],
  failed: ["waiting", "The source has failed."],
};
const PILL = { connecting: "Connecting", playing: "Live", waiting: "Waiting", refused: "Cannot play", offline: "Offline", locked: "Sign in" };

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const video = $("video");
const base = location.pathname.replace(/\/+$/, "");
const name = decodeURIComponent(base.slice(base.lastIndexOf("/") + 1));

let session = null;
let opening = false; // the session's POST is under way
let turns = 0;
let iceServers = [];
let iceAsked = false; // the server has been asked which servers to use before there is an offer
let attempt = 0;
let retry = { at: 0, timer: 0 };
let source = null; // how it was when last asked; null while it plays, or is not known
/** When the picture last moved, at which count, and since when it has played without a break. */
let moved = { at: 0, count: 0, since: 0 };
/** When anything last arrived. */
let heardAt = 0;
let before = null;
let last = numbers(reading(new Map()), null);
const bitrates = [];

// ---- Words

function say(state, sentence, nextAt = 0) {
  root.dataset.state = state;
  $("pill").textContent = state === "playing" && video.paused ? "Paused" : PILL[state];
  const whole = sentence.slice(0, 1).toUpperCase() + sentence.slice(1) + (/[.!?…]$/.test(sentence) ? "" : ".");
  // Set only on change: a screen reader reads it each time.
  if (sentence && $("sentence").textContent !== whole) $("sentence").textContent = whole;
  const seconds = Math.ceil((nextAt - Date.now()) / 1000);
  $("next").textContent = nextAt ? (seconds > 0 ? `Next try in ${seconds} s` : "Trying now") : "";
  $("again").hidden = session !== null || state === "connecting" || state === "locked";
  showForm(state);
  // Paused by the person, or by a browser that does not allow autoplay.
  $("start").hidden = state !== "playing" || !video.paused;
  showUnmute();
}

/** Says how the source is; when it redials by itself, its own next try is the one that counts. */
function saySource() {
  const [state, sentence] = SOURCE[source.state] ?? SOURCE.waiting;
  say(state, source.reason || sentence, source.retryAt || retry.at);
}

// ---- Session

async function connect() {
  clearTimeout(retry.timer);
  retry = { at: 0, timer: 0 };
  session?.close();
  keepStill();
  if (root.dataset.state === "playing") say("connecting", "Connecting.");
  opening = true;
  const turn = (turns += 1);
  await askIceServers();
  if (turn !== turns) return;
  const mine = new WhepSession(`${base}/whep`, { iceServers, onLost: lost, fetch: ask });
  session = mine;
  before = null;
  moved = { at: Date.now(), count: 0, since: 0 };
  heardAt = moved.at;
  try {
    await mine.open();
  } catch (error) {
    mine.close();
    if (mine === session) refused(error);
    return;
  }
  if (mine !== session) return;
  opening = false;
  iceServers = mine.iceServers;
  video.srcObject = mine.stream;
  awaitPicture();
  play();
}

/** STUN and TURN servers must be known before the offer; every later answer brings fresh ones. */
async function askIceServers() {
  if (iceAsked) return;
  const servers = await iceServersFor(`${base}/whep`, ask);
  if (servers) [iceServers, iceAsked] = [servers, true];
}

/** The server said no, or nothing. */
function refused(error) {
  session = null;
  opening = false;
  const { status = 0, retryAfter = null } = error;
  // Only a person can help: trying again by itself would look like guessing.
  if (status === 401 || (status === 403 && signedIn())) {
    iceAsked = false;
    say("locked", error.message);
    return;
  }
  const passing = status >= 500 || retryAfter !== null || [408, 409, 425, 429].includes(status);
  const state = status === 0 ? "offline" : passing ? "waiting" : "refused";
  const least = state === "refused" ? REFUSED_MS : 0;
  again(Math.max(backoff(), retryAfter ?? 0, least));
  // What the source last said of itself stays: two sentences in turn would only flicker.
  if (state === "waiting" && source?.reason) saySource();
  else say(state, status === 0 && !navigator.onLine ? "This device is offline." : error.message, retry.at);
}

/** The session broke after it had been made. */
function lost(sentence) {
  session?.close();
  session = null;
  again(backoff());
  say("connecting", sentence, retry.at);
}

function backoff() {
  const delay = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt++, 10));
  return delay * (0.75 + Math.random() / 2);
}

function again(ms) {
  clearTimeout(retry.timer);
  retry = { at: Date.now() + ms, timer: setTimeout(connect, ms) };
}

function retryNow() {
  if (session || opening) return;
  attempt = 0;
  connect();
}

// ---- Signing in

const form = signInForm(() => {
  attempt = 0;
  say("connecting", "Connecting.");
  connect();
});

function showForm(state) {
  const shown = state === "locked";
  if (shown === form.isConnected) return;
  if (!shown) {
    form.remove();
    return;
  }
  $("next").after(form);
  form.querySelector("input").focus();
}

// ---- Picture

function play() {
  // Where it is not allowed without a click, the start button asks for one.
  video.play().catch(() => {});
}

/** Keeps the last picture on the stage while a new stream takes the place of the old. */
function keepStill() {
  const still = $("still");
  if (!video.videoWidth || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
  still.width = video.videoWidth;
  still.height = video.videoHeight;
  still.getContext("2d").drawImage(video, 0, 0);
  still.hidden = false;
}

/** Notices the next picture at once where the browser tells; elsewhere the tick does. */
function awaitPicture() {
  const mine = session;
  const seen = () => mine === session && moving();
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(seen);
  else video.addEventListener("playing", seen, { once: true });
}

function moving() {
  moved.at = Date.now();
  $("still").hidden = true;
  if (root.dataset.state === "playing") return;
  moved.since = moved.at;
  source = null;
  say("playing", `Playing ${name}.`);
}

// ---- Once a second

async function tick() {
  if (document.hidden || root.dataset.state === "locked") return;
  if (!session || opening) {
    // Right after the start there is nothing to explain yet.
    if (Date.now() - moved.at > MISSING_MS / 2) await explain();
    return;
  }
  const mine = session;
  const now = reading(await mine.pc.getStats());
  if (mine !== session) return;
  if (arrived(now, before)) heardAt = Date.now();
  last = numbers(now, before);
  before = now;
  showNumbers();
  const count = progress(now);
  if (count > moved.count) {
    moved.count = count;
    moving();
  } else if (!video.paused) {
    await judgeSilence(mine);
  }
  if (root.dataset.state === "playing" && Date.now() - moved.since > HEALTHY_MS) attempt = 0;
}

/** Without a session: says why, and connects as soon as that helps. */
async function explain() {
  const was = source;
  await askSource();
  if (session && !opening) return;
  const running = source?.state === "running";
  const back = source && (root.dataset.state === "offline" || (running && was && was.state !== "running"));
  if (back && !session) {
    retryNow();
  } else if (source && !running && (opening || source.state !== "idle")) {
    saySource();
  } else {
    say(root.dataset.state, "", retry.at);
  }
}

/** With a session but no new pictures: a waiting source needs patience, a running one a new session. */
async function judgeSilence(mine) {
  if (Date.now() - moved.at < MISSING_MS) return;
  await askSource();
  if (mine !== session) return;
  if (source && source.state !== "running") {
    if (root.dataset.state === "playing") awaitPicture();
    saySource();
    moved.at = Date.now() - MISSING_MS;
    return;
  }
  const silence = Date.now() - moved.at;
  const deaf = Date.now() - heardAt > MEND_MS;
  const limit = moved.count === 0 ? FIRST_PICTURE_MS : deaf ? FROZEN_MS : ARRIVING_MS;
  if (source && moved.count > 0 && deaf && moved.mended !== moved.at) {
    moved.mended = moved.at;
    mine.mend();
  }
  if (silence > limit) {
    lost(source ? "The picture stopped." : "The server does not answer.");
  }
}

async function askSource() {
  try {
    const response = await ask(`${base}/status.json`, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!response.ok) throw new Error(`${response.status}`);
    const { state, reason, retry_in_ms } = await response.json();
    source = { state, reason, retryAt: retry_in_ms ? Date.now() + retry_in_ms : 0 };
  } catch {
    source = null;
  }
}

// ---- Numbers

function showNumbers() {
  const fps = last.fps && innerWidth > 640 && `${Math.round(last.fps)} fps`;
  $("brief").textContent = [last.videoCodec, last.width && `${last.width} × ${last.height}`, fps].filter(Boolean).join("  ·  ");
  bitrates.push(last.bitrate ?? 0);
  if (bitrates.length > GRAPH_POINTS) bitrates.shift();
  if (!$("stats").hidden) drawStats();
}

function drawStats() {
  const top = Math.max(...bitrates, 1);
  $("graph").firstElementChild.setAttribute("points", bitrates.map((b, i) =>
    `${(240 * (i + GRAPH_POINTS - bitrates.length)) / (GRAPH_POINTS - 1)},${35 - (33 * b) / top}`).join(" "));
  $("rows").replaceChildren(...rows(last).flatMap(([label, value]) => [cell("dt", label), cell("dd", value)]));
}

function cell(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

// ---- Controls

function icon(button, id, label, key) {
  button.querySelector("use").setAttribute("href", `#i-${id}`);
  button.setAttribute("aria-label", label);
  button.title = key ? `${label} (${key})` : label;
}

function togglePause() {
  if (video.paused) play();
  else video.pause();
}

function toggleMute() {
  video.muted = !video.muted;
  // Unmuting at volume zero would seem broken.
  if (!video.muted && video.volume === 0) video.volume = 1;
  if (video.paused) play();
}

function toggleStats() {
  const shown = $("stats").toggleAttribute("hidden") === false;
  $("info").setAttribute("aria-expanded", String(shown));
  if (shown) drawStats();
}

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (!$("player").requestFullscreen) video.webkitEnterFullscreen?.();
  else $("player").requestFullscreen().catch(() => {});
}

async function togglePip() {
  try {
    if (document.pictureInPictureElement) await document.exitPictureInPicture();
    else await video.requestPictureInPicture();
  } catch {
    // Before the first picture there is nothing to show in a small window.
  }
}

/** The big button stays until the person has once decided about the sound. */
let decided = false;

function showUnmute() {
  decided ||= !video.muted;
  $("unmute").hidden = decided || root.dataset.state !== "playing" || !session?.has("audio");
}

function showVolume() {
  const silent = video.muted || video.volume === 0;
  icon($("mute"), silent ? "muted" : "sound", silent ? "Unmute" : "Mute", "m");
  $("volume").value = silent ? 0 : Math.round(100 * video.volume);
  $("volume").style.setProperty("--fill", `${$("volume").value}%`);
  showUnmute();
}

function showPaused() {
  icon($("pause"), video.paused ? "play" : "pause", video.paused ? "Play" : "Pause", "space");
  moved.at = Date.now();
  say(root.dataset.state, "", retry.at);
}

/** Only the picture: inside another page, in full screen, and on a phone on its side. */
const flat = matchMedia("(max-height: 480px) and (orientation: landscape)");
function showBare() {
  const full = Boolean(document.fullscreenElement);
  root.classList.toggle("bare", full || flat.matches || window.self !== window.top);
  icon($("full"), full ? "unfull" : "full", full ? "Leave full screen" : "Full screen", "f");
}

let idleTimer;
function wake() {
  root.classList.remove("idle");
  clearTimeout(idleTimer);
  idleTimer = setTimeout(() => root.classList.add("idle"), 3000);
}

const KEYS = { " ": togglePause, m: toggleMute, f: toggleFull, i: toggleStats };
function onKey(event) {
  wake();
  const typed = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !KEYS[typed]) return;
  // What is typed into a field is the field's.
  if (event.target.closest?.("form")) return;
  // Space on a focused button is that button's.
  if (typed === " " && event.target.closest?.("button, a")) return;
  event.preventDefault();
  KEYS[typed]();
}

function wire() {
  $("name").textContent = name;
  document.title = `${name} · Sluice`;
  const clicks = { pause: togglePause, start: togglePause, mute: toggleMute, unmute: toggleMute, info: toggleStats, full: toggleFull, pip: togglePip, again: retryNow };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  $("volume").addEventListener("input", ({ target }) => {
    video.volume = target.value / 100;
    video.muted = video.volume === 0;
  });
  $("pip").hidden = !document.pictureInPictureEnabled;
  $("stage").addEventListener("dblclick", toggleFull);
  video.addEventListener("volumechange", showVolume);
  video.addEventListener("play", showPaused);
  video.addEventListener("pause", showPaused);
  document.addEventListener("keydown", onKey);
  for (const type of ["pointermove", "pointerdown"]) document.addEventListener(type, wake);
  document.addEventListener("fullscreenchange", showBare);
  flat.addEventListener("change", showBare);
  document.addEventListener("visibilitychange", () => {
    moved.at = Date.now();
    if (!document.hidden && root.dataset.state !== "locked") retryNow();
  });
  window.addEventListener("online", () => root.dataset.state !== "locked" && retryNow());
  window.addEventListener("pagehide", () => session?.close());
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  showBare();
  showVolume();
  wake();
}

/** For tests and the console. */
window.sluice = {
  get state() { return root.dataset.state; },
  get pc() { return session?.pc ?? null; },
  get source() { return source; },
  async stats() { return session ? numbers(reading(await session.pc.getStats()), before) : null; },
};

takeTokenFromAddress();
wire();
if (window.RTCPeerConnection) {
  connect();
  setInterval(tick, 1000);
} else {
  say("refused", "This browser cannot play WebRTC.");
}
