// The publish page: camera or screen into one WHIP session, which it keeps up; in words what happens.

import { ask, signedIn, signInForm, takeTokenFromAddress } from "./access.js";
import { iceServersFor } from "./session.js";
import { WhipSession, sendableCodecs } from "./whip.js";
import { sent, sentNumbers, sentRows } from "./stats.js";

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;
/** So much time live proves that the connection is good: the next break starts from the first delay. */
const HEALTHY_MS = 30_000;
const GRAPH_POINTS = 60;

const PILL = { choosing: "Not live", ready: "Not live", connecting: "Connecting", live: "Live", waiting: "Waiting", refused: "Cannot publish", locked: "Sign in" };
const CODECS = { H264: "H.264", VP8: "VP8", VP9: "VP9", AV1: "AV1" };

/** What a refused camera, microphone or screen means, by the name of the browser's error. */
const DEVICE_ERRORS = {
  NotAllowedError: "This page may not use it. Allow it in the browser's address bar, then choose again.",
  NotFoundError: "There is no such device. Connect one, then choose again.",
  NotReadableError: "Another program is using it. Close that one, then choose again.",
  OverconstrainedError: "The chosen device is gone. Choose another one.",
};

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const video = $("video");
const base = location.pathname.replace(/\/publish\/*$/, "");
const name = decodeURIComponent(base.slice(base.lastIndexOf("/") + 1));

let source = ""; // "camera" or "screen", once chosen
let stream = null; // what the preview shows
let choosing = 0; // counts choices: a slow device must not win over a later choice
let on = false; // the person wants to be live
let session = null;
let turns = 0; // counts tries: a slow one must not win over a later one
let iceServers = null; // those that the server named; null until it was asked
let attempt = 0;
let retry = { at: 0, timer: 0 };
let liveSince = 0;
let before = null;
const bitrates = [];

// ---- Words

function say(state, sentence, nextAt = 0) {
  root.dataset.state = state;
  root.toggleAttribute("data-on", on);
  $("pill").textContent = PILL[state];
  if ($("sentence").textContent !== sentence) $("sentence").textContent = sentence;
  const seconds = Math.ceil((nextAt - Date.now()) / 1000);
  $("next").textContent = nextAt ? (seconds > 0 ? `Next try in ${seconds} s` : "Trying now") : "";
  $("again").hidden = !nextAt;
  showForm(state === "locked");
  $("go").textContent = on ? "Stop" : "Go live";
  $("go").disabled = !stream;
  $("watch").hidden = state !== "live";
  $("codec").disabled = on;
}

function notice(sentence) {
  $("notice").textContent = sentence;
  $("notice").hidden = !sentence;
}

// ---- Devices

const exactly = (id) => (id ? { deviceId: { exact: id } } : {});

async function microphone() {
  const id = $("microphone").value;
  if (id === "none") return null;
  return { ...exactly(id), echoCancellation: source === "camera", autoGainControl: source === "camera" };
}

async function capture() {
  const audio = await microphone();
  if (source === "camera") {
    const picture = { ...exactly($("camera").value), width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    return navigator.mediaDevices.getUserMedia({ video: picture, audio: audio ?? false });
  }
  const screen = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  // The screen's own sound, if it was shared, is what viewers expect; else the microphone.
  if (screen.getAudioTracks().length === 0 && audio) {
    try {
      const voice = await navigator.mediaDevices.getUserMedia({ audio });
      voice.getTracks().forEach((track) => screen.addTrack(track));
    } catch (error) {
      notice(`The screen is published without sound. ${DEVICE_ERRORS[error.name] ?? ""}`.trim());
    }
  }
  return screen;
}

/** Takes a camera or a screen; while live, in place of the one before. */
async function choose(what) {
  const mine = ++choosing;
  const previous = { source, stream };
  source = what;
  notice("");
  let taken;
  try {
    taken = await capture();
  } catch (error) {
    if (mine !== choosing) return;
    ({ source } = previous);
    const words = DEVICE_ERRORS[error.name] ?? `${error.message || error.name}.`;
    const thing = what === "camera" ? "camera or microphone" : "screen";
    notice(`The ${thing} cannot be used. ${words}`);
    if (!stream) say("choosing", "Choose what to publish.");
    return;
  }
  if (mine !== choosing) {
    taken.getTracks().forEach((track) => track.stop());
    return;
  }
  await use(taken);
}

async function use(taken) {
  const old = stream;
  stream = taken;
  video.srcObject = stream;
  video.play().catch(() => {});
  for (const track of stream.getTracks()) track.addEventListener("ended", () => ended(track));
  for (const id of ["camera", "screen"]) $(`use-${id}`).setAttribute("aria-pressed", String(id === source));
  $("camera-field").hidden = source === "screen";
  if (on) await swap();
  else say("ready", "");
  old?.getTracks().forEach((track) => track.stop());
  await listDevices();
}

/** Sends the new tracks in the running session; other kinds than before need a new one. */
async function swap() {
  const kinds = (tracks) => tracks.map((track) => track.kind).sort().join();
  const sending = session?.pc.getSenders().map((sender) => sender.track).filter(Boolean) ?? [];
  if (session && kinds(sending) === kinds(stream.getTracks())) {
    await Promise.all(stream.getTracks().map((track) => session.replace(track)));
  } else {
    connect();
  }
}

/** A device was pulled out, or the browser's own button ended the sharing. */
function ended(track) {
  if (!stream?.getTracks().includes(track)) return;
  if (track.kind === "audio" && stream.getVideoTracks().some((one) => one.readyState === "live")) {
    notice("The microphone is gone; pictures go on.");
    return;
  }
  stop();
  stream.getTracks().forEach((one) => one.stop());
  stream = null;
  video.srcObject = null;
  say("choosing", source === "screen" ? "The screen is not shared any more." : "The camera is gone.");
}

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const [id, kind] of [["camera", "videoinput"], ["microphone", "audioinput"]]) {
    const select = $(id);
    const chosen = select.value;
    const fixed = [...select.options].filter((option) => ["", "none"].includes(option.value));
    const named = devices.filter((device) => device.kind === kind && device.deviceId);
    const options = named.map((device, n) => new Option(device.label || `${select.labels[0].firstChild.textContent} ${n + 1}`, device.deviceId));
    select.replaceChildren(...fixed, ...options);
    if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
  }
}

// ---- Session

async function connect() {
  clearTimeout(retry.timer);
  retry = { at: 0, timer: 0 };
  session?.close();
  if (!on || !stream) return;
  say("connecting", "Connecting.");
  const turn = (turns += 1);
  // STUN and TURN servers must be known before the offer; every later answer brings fresh ones.
  iceServers ??= await iceServersFor(`${base}/whip`, ask);
  if (turn !== turns || !on || !stream) return;
  const options = { codec: $("codec").value, iceServers: iceServers ?? [], onLost: lost, fetch: ask };
  const mine = new WhipSession(`${base}/whip`, stream, options);
  session = mine;
  before = null;
  mine.pc.addEventListener("connectionstatechange", () => {
    if (mine === session && mine.pc.connectionState === "connected") {
      liveSince = Date.now();
      say("live", "");
    }
  });
  try {
    await mine.open();
    iceServers = mine.iceServers;
  } catch (error) {
    mine.close();
    if (mine === session) refused(error);
  }
}

/** The server said no, or nothing. */
function refused(error) {
  session = null;
  const { status = 0, retryAfter = null } = error;
  // Only a person can help: trying again by itself would look like guessing.
  if (status === 401 || ((status === 403 || status === 429) && signedIn())) {
    iceServers = null;
    say("locked", error.message);
    return;
  }
  const passing = status === 0 || status >= 500 || retryAfter !== null || [408, 409, 425, 429].includes(status);
  const whole = error.message.slice(0, 1).toUpperCase() + error.message.slice(1) + (/[.!?…]$/.test(error.message) ? "" : ".");
  if (passing) {
    again(Math.max(backoff(), retryAfter ?? 0));
    say("waiting", whole, retry.at);
  } else {
    on = false;
    say("refused", whole);
  }
}

/** The session broke after it had been made. */
function lost(sentence) {
  session = null;
  if (Date.now() - liveSince > HEALTHY_MS) attempt = 0;
  again(backoff());
  say("waiting", sentence, retry.at);
}

const form = signInForm(() => {
  attempt = 0;
  connect();
});

function showForm(shown) {
  if (shown === form.isConnected) return;
  if (!shown) {
    form.remove();
    return;
  }
  $("next").after(form);
  form.querySelector("input").focus();
}

function backoff() {
  const delay = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt++, 10));
  return delay * (0.75 + Math.random() / 2);
}

function again(ms) {
  clearTimeout(retry.timer);
  retry = { at: Date.now() + ms, timer: setTimeout(connect, ms) };
}

function stop() {
  on = false;
  turns += 1;
  clearTimeout(retry.timer);
  retry = { at: 0, timer: 0 };
  session?.close();
  session = null;
  $("stats").hidden = true;
}

function toggle() {
  if (on) {
    stop();
    say("ready", "");
  } else if (stream) {
    on = true;
    attempt = 0;
    connect();
  }
}

// ---- Once a second

async function tick() {
  if (retry.at) say(root.dataset.state, $("sentence").textContent, retry.at);
  if (!session || root.dataset.state !== "live") return;
  const mine = session;
  const now = sent(await mine.pc.getStats());
  if (mine !== session) return;
  const numbers = sentNumbers(now, before);
  before = now;
  bitrates.push(numbers.bitrate ?? 0);
  if (bitrates.length > GRAPH_POINTS) bitrates.shift();
  draw(numbers);
}

function draw(numbers) {
  const top = Math.max(...bitrates, 1);
  $("graph").firstElementChild.setAttribute("points", bitrates.map((b, i) =>
    `${(240 * (i + GRAPH_POINTS - bitrates.length)) / (GRAPH_POINTS - 1)},${35 - (33 * b) / top}`).join(" "));
  $("rows").replaceChildren(...sentRows(numbers).flatMap(([label, value]) => [cell("dt", label), cell("dd", value)]));
  $("stats").hidden = false;
}

function cell(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

// ---- Controls

function wire() {
  $("name").textContent = name;
  document.title = `Publish ${name} · Sluice`;
  $("link").href = base;
  $("link").textContent = new URL(base, location.href).href;
  $("codec").append(...sendableCodecs().map((codec) => new Option(CODECS[codec.toUpperCase()], codec)));
  $("use-camera").addEventListener("click", () => choose("camera"));
  $("use-screen").addEventListener("click", () => choose("screen"));
  for (const id of ["camera", "microphone"]) $(id).addEventListener("change", () => source && choose(source));
  $("setup").addEventListener("submit", (event) => {
    event.preventDefault();
    toggle();
  });
  $("again").addEventListener("click", connect);
  $("use-screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
  navigator.mediaDevices?.addEventListener("devicechange", listDevices);
  window.addEventListener("online", () => on && !session && root.dataset.state !== "locked" && connect());
  window.addEventListener("pagehide", () => session?.close());
  window.addEventListener("beforeunload", (event) => on && event.preventDefault());
}

/** For tests and the console. */
window.sluice = {
  get state() { return root.dataset.state; },
  get pc() { return session?.pc ?? null; },
};

takeTokenFromAddress();
wire();
if (!window.isSecureContext) {
  say("refused", "Browsers give camera and screen to secure pages only. Open this page by HTTPS, or on the server itself at localhost.");
  for (const id of ["use-camera", "use-screen", "go"]) $(id).disabled = true;
} else if (!window.RTCPeerConnection || !navigator.mediaDevices) {
  say("refused", "This browser cannot publish by WebRTC.");
} else {
  say("choosing", "Choose what to publish.");
  setInterval(tick, 1000);
}
