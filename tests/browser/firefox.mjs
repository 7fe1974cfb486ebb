// Debian's Firefox ESR, driven by puppeteer-core over WebDriver BiDi. See driver.mjs.

import puppeteer from 'puppeteer-core';
import { drive, probe } from './driver.mjs';

const browser = await puppeteer.launch({
  browser: 'firefox',
  executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
  headless: true,
  defaultViewport: { width: 1280, height: 900 },
  extraPrefsFirefox: {
    'media.autoplay.default': 0,
    'media.autoplay.blocking_policy': 0,
    'media.autoplay.block-webaudio': false,
    'media.peerconnection.ice.loopback': true,
    // Cisco's plugin cannot be fetched here, and looking for it costs seconds.
    'media.gmp-manager.updateEnabled': false,
    // A picture that changes its colour and a tone as camera and microphone, granted without a question.
    'media.navigator.streams.fake': true,
    'media.navigator.audio.fake_frequency': 440,
    'media.navigator.permission.disabled': true,
    // Browsers give cameras to HTTPS and localhost only; the tests' gateway is on another host.
    ...(process.env.SECURE_ORIGIN ? { 'dom.securecontext.allowlist': new URL(process.env.SECURE_ORIGIN).hostname } : {}),
  },
});
const page = await browser.newPage();
await page.evaluateOnNewDocument(probe);
page.on('console', (m) => process.stderr.write(`console ${m.type()}: ${m.text()}\n`));
page.on('pageerror', (e) => process.stderr.write(`page error: ${e}\n`));
await drive(page, () => browser.close());
