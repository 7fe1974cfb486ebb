// What both browsers share: the tiny page's server, the snapshots, the commands on stdin.
//
// Usage: node chromium.mjs|firefox.mjs page URL | whep URL
// Prints one JSON line per second; takes on stdin: `screenshot FILE`, `click SELECTOR`,
// `eval FUNCTION`, `open URL`, `size WIDTH HEIGHT`, `quit`.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const here = (name) => new URL(name, import.meta.url);
export const probe = readFileSync(here('probe.js'), 'utf8');
const viewer = readFileSync(here('viewer.js'), 'utf8');

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Loopback is a secure context, so that the page has every API.
function servePage() {
  const html = readFileSync(here('viewer.html'));
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(html);
  });
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${server.address().port}/`));
  });
}

async function open(page, mode, url) {
  if (mode === 'page') {
    await page.goto(url);
    return;
  }
  await page.goto(await servePage());
  await page.evaluate(probe);
  await page.evaluate(viewer);
  print({ whep: await page.evaluate((target) => window.whep(target), url) });
}

// Playwright and Puppeteer name it differently.
const resize = (page, width, height) =>
  (page.setViewportSize ?? page.setViewport).call(page, { width, height });

async function obey(line, page, close) {
  const [command, ...rest] = line.trim().split(' ');
  const argument = rest.join(' ');
  if (command === 'quit') await close();
  else if (command === 'screenshot') await page.screenshot({ path: argument });
  else if (command === 'click') await page.click(argument);
  else if (command === 'open') await page.goto(argument);
  else if (command === 'size') await resize(page, ...rest.map(Number));
  else if (command === 'eval') {
    // Made here and sent as a function: the page's own policy forbids eval.
    const asked = (0, eval)(`(${argument})`);
    print({ value: (await page.evaluate(asked)) ?? null });
    return;
  }
  print({ done: line });
}

// `page` has goto, evaluate, click and screenshot, which both drivers name alike.
export async function drive(page, close) {
  const [mode, url] = process.argv.slice(2);
  let ending = false;
  const quit = async () => {
    ending = true;
    await close();
    process.exit(0);
  };
  createInterface({ input: process.stdin }).on('line', (line) => {
    obey(line, page, quit).catch((error) => print({ error: String(error), command: line }));
  });
  await open(page, mode, url).catch((error) => print({ error: String(error) }));
  print({ ready: url });
  const tick = async () => {
    if (ending) return;
    const report = page.evaluate(() => window.sluiceProbe?.report() ?? null);
    const line = await report.catch((error) => ({ error: String(error) }));
    if (!ending && line) print(line);
    setTimeout(tick, 1000);
  };
  await tick();
}
