// A day of one path's recordings: what there is, and playing any moment of it.

import { ask, sentenceOf, signedIn, signInForm, takeTokenFromAddress } from "./access.js";

const DAY = 86400;
const HOUR = 3600;
const POLL_MS = 10000;
/** So much is asked for at once; signed in it is kept in memory, since a video's own address carries no credentials. */
const CLIP_S = 600;
const CLIP_IN_MEMORY_S = 60;
/** A shorter time without a file is none that anybody would see. */
const SEAM_S = 1;

const $ = (id) => document.getElementById(id);
const path = decodeURIComponent(location.pathname.split("/").at(-2));
const api = `../api/v1/recordings/${encodeURIComponent(path)}`;
const video = $("video");

let day = midnight(new Date());
let files = []; // seconds since 1970: {start, end, state}
let at = null; // the moment that is shown, in seconds since 1970
let clip = null; // {start, end} of what is loaded
let timer = 0;
let turn = 0;
let chosen = false; // somebody has said what to download
const form = signInForm(() => load());

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

/** Days begin at midnight here; two a year are an hour shorter or longer, and end a bit early or late in the line. */
const dayStart = () => day.getTime() / 1000;

async function load() {
  clearTimeout(timer);
  const mine = ++turn;
  const from = new Date(day).toISOString();
  const to = new Date((dayStart() + DAY) * 1000).toISOString();
  try {
    const response = await ask(`${api}?from=${from}&to=${to}`, { cache: "no-store", signal: AbortSignal.timeout(20000) });
    if (mine !== turn) return;
    if (!response.ok) {
      await refused(response);
      return;
    }
    form.remove();
    trouble("");
    const { recordings } = await response.json();
    const seconds = (text) => Date.parse(text) / 1000;
    files = recordings.map(({ start, end, state, bytes }) => ({ start: seconds(start), end: seconds(end), state, bytes }));
    show();
  } catch {
    if (mine === turn) trouble("The server does not answer. This is what was last known.");
  }
  // A day that is over does not change.
  if (mine === turn && dayStart() + DAY > Date.now() / 1000 && !document.hidden) timer = setTimeout(load, POLL_MS);
}

async function refused(response) {
  const helps = response.status === 401 || (response.status === 403 && signedIn());
  trouble(await sentenceOf(response, "You may not see these recordings."));
  if (helps && !form.isConnected) {
    $("trouble").after(form);
    form.querySelector("input").focus();
  }
}

function trouble(sentence) {
  $("trouble").hidden = sentence === "";
  $("trouble").textContent = sentence;
}

const playable = () => files.filter((file) => file.state !== "broken");

function show() {
  const start = dayStart();
  const inDay = (file) => Math.min(file.end, start + DAY) - Math.max(file.start, start);
  const total = playable().reduce((sum, file) => sum + Math.max(0, inDay(file)), 0);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  $("sum").textContent = files.length === 0 ? "Nothing on this day" : `${lasting(total)}  ·  ${size(bytes)}`;
  $("day").value = dateOf(day);
  $("after").disabled = start + DAY > Date.now() / 1000;
  drawLines();
}

function drawLines() {
  const start = dayStart();
  const center = at ?? playable().findLast((file) => file.start < start + DAY)?.start ?? start;
  const hour = Math.min(Math.max(center - HOUR / 2, start), start + DAY - HOUR);
  draw($("whole"), start, DAY, { from: hour, span: HOUR });
  draw($("part"), hour, HOUR);
  marks($("hours"), start, DAY, innerWidth < 640 ? 6 : 3);
  marks($("minutes"), hour, HOUR, innerWidth < 640 ? 4 : 6, true);
  $("part").dataset.from = hour;
  $("whole").setAttribute("aria-valuenow", Math.round(center - start));
  $("whole").setAttribute("aria-valuetext", timeOf(center));
}

function draw(line, start, span, window) {
  const parts = [];
  const put = (kind, from, to, name = "") => {
    const part = document.createElement(kind);
    part.className = name;
    part.style.left = `${(100 * (from - start)) / span}%`;
    if (to !== undefined) part.style.width = `${(100 * (to - from)) / span}%`;
    parts.push(part);
  };
  for (const file of joined()) {
    const [from, to] = [Math.max(file.start, start), Math.min(file.end, start + span)];
    if (to > from) put("i", from, to, { recording: "open", broken: "broken" }[file.state] ?? "");
  }
  if (window) put("u", window.from, window.from + window.span);
  if (at !== null && at >= start && at <= start + span) put("b", at);
  line.replaceChildren(...parts);
}

/** Files that follow each other without a gap, as one. */
function joined() {
  const spans = [];
  for (const { start, end, state } of files) {
    const last = spans.at(-1);
    const kind = state === "repaired" ? "whole" : state;
    if (last?.state === kind && start - last.end <= SEAM_S) last.end = Math.max(last.end, end);
    else spans.push({ start, end, state: kind });
  }
  return spans;
}

function marks(scale, start, span, count, seconds = false) {
  const step = seconds ? span / count : count * HOUR;
  const labels = [];
  for (let offset = 0; offset <= span; offset += step) {
    const label = document.createElement("span");
    label.style.left = `${(100 * offset) / span}%`;
    label.textContent = offset === DAY ? "24" : seconds ? timeOf(start + offset).slice(0, 5) : String(offset / HOUR).padStart(2, "0");
    labels.push(label);
  }
  scale.replaceChildren(...labels);
}

/** Plays from a moment on, or from the first one after it that was recorded. */
async function play(moment) {
  const mine = ++turn;
  const file = playable().find((one) => one.end > moment);
  if (!file) {
    $("hint").textContent = "Nothing was recorded after that on this day.";
    $("hint").hidden = false;
    return;
  }
  const from = Math.max(moment, file.start);
  const most = signedIn() ? CLIP_IN_MEMORY_S : CLIP_S;
  const lasts = Math.min(most, unbroken(file) - from);
  const url = `${api}/get?start=${new Date(from * 1000).toISOString()}&duration=${Math.max(lasts, 1).toFixed(3)}`;
  at = from;
  // A minute of it, as something to begin with.
  if (!chosen) {
    $("from").value = timeOf(from);
    $("to").value = timeOf(Math.min(from + 60, dayStart() + DAY - 1));
  }
  $("hint").textContent = "Loading …";
  $("hint").hidden = false;
  drawLines();
  try {
    const head = await ask(url, { method: signedIn() ? "GET" : "HEAD", cache: "no-store" });
    if (mine !== turn) return;
    if (!head.ok) throw new Error(await sentenceOf(head, "This cannot be played."));
    const start = Date.parse(head.headers.get("sluice-start")) / 1000;
    clip = { start, end: start + Number(head.headers.get("sluice-duration")) };
    const blob = signedIn() ? await head.blob() : null;
    if (mine !== turn) return;
    if (video.src.startsWith("blob:")) URL.revokeObjectURL(video.src);
    video.src = blob ? URL.createObjectURL(blob) : url;
    // It begins with the key frame before.
    video.currentTime = Math.max(0, from - start);
    await video.play();
    $("hint").hidden = true;
    trouble("");
  } catch (error) {
    if (mine !== turn || error.name === "AbortError") return;
    // A browser that plays nothing by itself waits for a tap on the picture's own button.
    $("hint").hidden = true;
    if (error.name !== "NotAllowedError") trouble(error.message);
  } finally {
    if (mine === turn) timer = setTimeout(load, POLL_MS);
  }
}

/** Where what begins with this file ends without a gap. */
function unbroken(file) {
  let end = file.end;
  for (const next of playable().filter((one) => one.start >= file.start)) {
    if (next.start - end > SEAM_S) break;
    end = Math.max(end, next.end);
  }
  return end;
}

function move() {
  if (!clip || video.readyState === 0) return;
  at = clip.start + video.currentTime;
  const shown = new Date(at * 1000);
  $("clock").textContent = `${shown.toLocaleDateString()}  ${timeOf(at)}`;
  drawLines();
}

function pick(line, start, span) {
  line.addEventListener("click", (event) => {
    const box = line.getBoundingClientRect();
    play(start() + ((event.clientX - box.left) / box.width) * span);
  });
}

async function save(event) {
  event.preventDefault();
  const moment = (input) => dayStart() + seconds(input.value);
  const [from, to] = [moment($("from")), moment($("to"))];
  if (to <= from) {
    $("saving").textContent = "The end must be after the begin.";
    return;
  }
  const url = `${api}/get?start=${new Date(from * 1000).toISOString()}&duration=${to - from}`;
  $("saving").textContent = "Looking …";
  try {
    const response = await ask(url, { method: signedIn() ? "GET" : "HEAD", cache: "no-store" });
    if (!response.ok) throw new Error(await sentenceOf(response, "This cannot be downloaded."));
    const link = document.createElement("a");
    link.download = `${path}-${dateOf(new Date(from * 1000))}-${timeOf(from).replaceAll(":", "-")}.mp4`;
    link.href = signedIn() ? URL.createObjectURL(await response.blob()) : url;
    link.click();
    if (signedIn()) setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    $("saving").textContent = size(Number(response.headers.get("content-length")));
  } catch (error) {
    $("saving").textContent = error.message;
  }
}

function seconds(text) {
  const [hours, minutes, rest = 0] = text.split(":").map(Number);
  return hours * HOUR + minutes * 60 + rest;
}

const two = (number) => String(number).padStart(2, "0");

function timeOf(moment) {
  const date = new Date(moment * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
}

function dateOf(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function lasting(span) {
  const minutes = Math.floor(span / 60);
  return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : minutes > 0 ? `${minutes} min` : `${Math.round(span)} s`;
}

function size(bytes) {
  if (!bytes) return "";
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power > 1 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

function toDay(date) {
  day = midnight(date);
  at = null;
  load();
}

takeTokenFromAddress();
$("name").textContent = path;
document.title = `${path}: recordings – Sluice`;
$("live").href = `../${encodeURIComponent(path)}`;
$("before").addEventListener("click", () => toDay(new Date(day.getFullYear(), day.getMonth(), day.getDate() - 1)));
$("after").addEventListener("click", () => toDay(new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1)));
$("day").addEventListener("change", () => $("day").value && toDay(new Date(`${$("day").value}T00:00`)));
$("save").addEventListener("submit", save);
$("save").addEventListener("input", () => (chosen = true));
$("whole").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -60, ArrowRight: 60, PageDown: -HOUR, PageUp: HOUR }[event.key];
  if (!step) return;
  event.preventDefault();
  play((at ?? dayStart()) + step);
});
pick($("whole"), dayStart, DAY);
pick($("part"), () => Number($("part").dataset.from), HOUR);
video.addEventListener("timeupdate", move);
video.addEventListener("ended", () => clip && play(clip.end + 0.001));
addEventListener("resize", drawLines);
document.addEventListener("visibilitychange", () => document.hidden || load());
load();
