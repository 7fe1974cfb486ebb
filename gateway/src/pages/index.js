// The list of streams: asks the API every two seconds and keeps one card per path.

import { ask, sentenceOf, signedIn, signInForm, takeTokenFromAddress } from "./access.js";

const POLL_MS = 2000;
/** A thumbnail costs the server one decoded picture; half the polls are enough. */
const THUMBNAIL_MS = 4000;

const WORDS = {
  running: "Live",
  idle: "Ready",
  starting: "Starting",
  waiting: "Waiting",
  failed: "Failed",
};

const $ = (id) => document.getElementById(id);
const cards = new Map();
let timer = 0;
let locked = false; // nothing is asked until a person has signed in
const form = signInForm(() => {
  locked = false;
  poll();
});

async function poll() {
  clearTimeout(timer);
  if (document.hidden || locked) return;
  try {
    const response = await ask("api/v1/paths", { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if ([401, 403, 429].includes(response.status)) {
      await lock(response);
      return;
    }
    form.remove();
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { paths } = await response.json();
    show(paths);
    trouble("");
  } catch {
    trouble("The server does not answer. This is what was last known.");
  }
  clearTimeout(timer);
  timer = setTimeout(poll, POLL_MS);
}

/** Says why not, and asks who is there where that can help. */
async function lock(response) {
  const helps = response.status === 401 || (response.status === 403 && signedIn());
  locked = helps;
  show([]);
  $("empty").hidden = true;
  trouble(await sentenceOf(response, "You may not see this list."));
  document.body.classList.remove("stale");
  if (helps && !form.isConnected) {
    $("trouble").after(form);
    form.querySelector("input").focus();
  }
  if (!helps) timer = setTimeout(poll, 10 * POLL_MS);
}

function trouble(sentence) {
  document.body.classList.toggle("stale", sentence !== "");
  $("trouble").hidden = sentence === "";
  text($("trouble"), sentence);
}

function show(paths) {
  for (const path of paths) {
    if (!cards.has(path.id)) cards.set(path.id, makeCard(path.id));
    fill(cards.get(path.id), path);
  }
  const ids = paths.map((path) => path.id);
  for (const [id, card] of cards) {
    if (ids.includes(id)) continue;
    card.remove();
    cards.delete(id);
  }
  const order = ids.map((id) => cards.get(id));
  // Moving a card would drop the focus in it: only when the order is another.
  if (order.some((card, i) => $("paths").children[i] !== card)) $("paths").replaceChildren(...order);
  $("empty").hidden = paths.length > 0;
  const live = paths.filter((path) => path.state === "running").length;
  const viewers = paths.reduce((sum, path) => sum + (path.viewers ?? 0), 0);
  text($("summary"), paths.length === 0 ? "" : `${live} of ${paths.length} live  ·  ${count(viewers, "viewer")}`);
}

function makeCard(id) {
  const card = $("card").content.firstElementChild.cloneNode(true);
  const part = (name) => card.querySelector(`.${name}`);
  part("view").href = encodeURIComponent(id);
  text(part("name"), id);
  const whep = new URL(`${encodeURIComponent(id)}/whep`, location.href).href;
  part("copy").title = whep;
  part("copy").addEventListener("click", () => copy(part("copy"), whep));
  return card;
}

function fill(card, path) {
  const part = (name) => card.querySelector(`.${name}`);
  card.dataset.state = path.state;
  text(part("state"), WORDS[path.state] ?? path.state);
  text(part("reason"), reason(path));
  const media = (kind) => (path.tracks ?? []).filter((t) => t.kind === kind).map((t) => [t.codec, t.detail].filter(Boolean).join(" ")).join(", ");
  for (const [name, value] of [["source", path.source], ["video", media("video")], ["audio", media("audio")]]) {
    text(part(name), value || "–");
    part(name).title = value ?? "";
  }
  text(part("viewers"), count(path.viewers ?? 0, "viewer"));
  part("publish").hidden = path.source !== "publisher";
  part("recordings").hidden = !path.recorded;
  part("recordings").href = `${encodeURIComponent(path.id)}/recordings`;
  part("publish").href = `${encodeURIComponent(path.id)}/publish`;
  if (path.state === "running") thumbnail(card, path.id);
}

function reason({ state, reason, retry_in_ms, uptime_s }) {
  if (state === "running") return uptime_s === undefined || uptime_s === null ? "" : `Running for ${duration(uptime_s)}`;
  const next = retry_in_ms ? `next try in ${Math.ceil(retry_in_ms / 1000)} s` : "";
  if (reason) return next ? `${reason.replace(/\.$/, "")}; ${next}` : reason;
  if (state === "idle") return "Starts when someone watches";
  return next && next.replace("next", "Next");
}

/** Swaps the picture only once the new one is loaded, so that nothing flickers. */
async function thumbnail(card, id) {
  const now = Date.now();
  const box = card.getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight || now - (card.shotAt ?? 0) < THUMBNAIL_MS) return;
  card.shotAt = now;
  const shown = card.querySelector(".shot img");
  const response = await ask(`${encodeURIComponent(id)}/thumbnail.jpg`).catch(() => null);
  if (!response?.ok) return;
  const next = new Image();
  next.addEventListener("load", () => {
    URL.revokeObjectURL(shown.src);
    shown.src = next.src;
    shown.hidden = false;
  });
  // An image's own address could carry no credentials but in its text.
  next.src = URL.createObjectURL(await response.blob());
}

async function copy(button, whep) {
  // Browsers give no clipboard to a page that came by plain HTTP from another machine.
  const done = await navigator.clipboard?.writeText(whep).then(() => true, () => false);
  text(button, done || copyBySelection(button, whep) ? "Copied" : whep);
  setTimeout(() => text(button, "Copy WHEP URL"), done === false ? 8000 : 1500);
}

function copyBySelection(button, whep) {
  const field = document.createElement("textarea");
  field.value = whep;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  button.focus();
  return done;
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

takeTokenFromAddress();
document.addEventListener("visibilitychange", poll);
poll();
