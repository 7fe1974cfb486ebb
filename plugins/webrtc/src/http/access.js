// Signing in: what a person typed goes with each request, and is forgotten with the tab.

const KEY = "sluice-authorization";
/** The parameters of a page's address that carry a token. */
const PARAMETERS = ["token", "jwt"];

let authorization = stored();

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    // A frame of another site may have no storage; then a reload asks again.
    return null;
  }
}

function remember(value) {
  authorization = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

/** True once somebody has signed in, rightly or not. */
export function signedIn() {
  return authorization !== null;
}

/**
 * Takes a token out of the page's address: it works from there, but must not stay where it is read over
 * a shoulder, bookmarked and sent on.
 */
export function takeTokenFromAddress() {
  const url = new URL(location.href);
  const token = PARAMETERS.map((name) => url.searchParams.get(name)).find(Boolean);
  if (!token) return;
  remember(`Bearer ${token}`);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  history.replaceState(history.state, "", url);
}

/** `fetch` with what the person has signed in with. */
export function ask(url, options = {}) {
  const headers = new Headers(options.headers);
  // Who reads problems needs no password dialog of the browser's own: there is a form.
  if (!headers.has("Accept")) headers.set("Accept", "application/problem+json, */*");
  if (authorization) headers.set("Authorization", authorization);
  return fetch(url, { ...options, headers });
}

/** The sentence of a refusal, whatever form it has. */
export async function sentenceOf(response, otherwise) {
  try {
    return JSON.parse(await response.text()).detail || otherwise;
  } catch {
    return otherwise;
  }
}

/** Makes the form; `done` is called with what was typed in force. */
export function signInForm(done) {
  const form = document.createElement("form");
  form.className = "signin";
  const user = field(form, "User name (none for a token)", "text", "username");
  const secret = field(form, "Password or token", "password", "current-password");
  secret.required = true;
  const button = document.createElement("button");
  button.textContent = "Sign in";
  form.append(button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = secret.value.trim();
    remember(user.value ? `Basic ${base64(`${user.value.trim()}:${secret.value}`)}` : `Bearer ${typed}`);
    secret.value = "";
    done();
  });
  return form;
}

function field(form, label, type, autocomplete) {
  const row = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type, autocomplete, name: autocomplete, autocapitalize: "off", spellcheck: false });
  row.append(label, input);
  form.append(row);
  return input;
}

/** Base64 of the text as UTF-8 (RFC 7617). */
function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}
