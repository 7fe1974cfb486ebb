// Debian's Chromium, driven by playwright-core. See driver.mjs for the commands.

import { chromium } from 'playwright-core';
import { drive, probe } from './driver.mjs';

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--autoplay-policy=no-user-gesture-required',
    // A moving picture and a beep as camera and microphone, granted without a question.
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    // Browsers give cameras to HTTPS and localhost only; the tests' gateway is on another host.
    ...(process.env.SECURE_ORIGIN ? [`--unsafely-treat-insecure-origin-as-secure=${process.env.SECURE_ORIGIN}`] : []),
    // The TURN server of a test signs its own certificate.
    ...(process.env.TRUST_ALL ? ['--ignore-certificate-errors'] : []),
  ],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
await context.addInitScript({ content: probe });
const page = await context.newPage();
page.on('console', (m) => process.stderr.write(`console ${m.type()}: ${m.text()}\n`));
page.on('pageerror', (e) => process.stderr.write(`page error: ${e}\n`));
await drive(page, () => browser.close());
