// Measures the size of both web consoles and the time until their first input field is ready. The baseline is a plain text
// page of the same server. Prints one line of JSON.
import { readFileSync, statSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { SmartAgent } from '../dist/src/index.js'
import { Authority } from '../dist/src/authority/index.js'
import { serveDeviceConsole } from '../dist/src/console/device-console.js'
import { createManagerConsole } from '../dist/src/console/authority-console.js'

const directory = mkdtempSync(join(tmpdir(), 'sla-bench-pages-'))
const dir = (name) => join(directory, name)
const logger = { info: () => undefined, error: () => undefined }
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** Returns the bytes of a page and its assets, compressed with gzip. */
function weight(page) {
  const root = new URL('../dist/pages/', import.meta.url).pathname
  const index = readFileSync(join(root, page, 'index.html'), 'utf8')
  const assets = [...index.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, path]) => path)
  return assets.reduce((sum, path) => sum + statSync(join(root, `${path}.gz`)).size, Buffer.byteLength(index))
}

/** Returns the median milliseconds until the selector appears in a new browser context without a cache. */
async function open(browser, url, selector) {
  const times = []
  for (let round = 0; round < 9; round++) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    const start = performance.now()
    await page.goto(url, { waitUntil: 'commit' })
    await page.locator(selector).first().waitFor()
    times.push(performance.now() - start)
    await context.close()
  }
  return median(times)
}

const agent = await SmartAgent.open({
  dataDir: dir('device'),
  product: { pid: 'CWMS-K9', serial: 'BENCH', version: '4.0' },
})
const device = await serveDeviceConsole(agent, { dataDir: dir('device'), host: '127.0.0.1', port: 0, logger })
await Authority.init({ dataDir: dir('authority'), account: 'acme.example', acceptAgreement: true })
const authority = await Authority.open({ dataDir: dir('authority') })
const page = await createManagerConsole(authority, {
  dataDir: dir('authority'),
  host: '127.0.0.1',
  names: [],
  logger,
})
const manager = await authority.listen({ host: '127.0.0.1', port: 0, routes: page.routes })
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
})
try {
  const floor = await open(browser, `${manager}/health`, 'pre')
  console.log(
    JSON.stringify({
      floor,
      device: { bytes: weight('device'), ms: await open(browser, device.url, 'input') },
      manager: { bytes: weight('manager'), ms: await open(browser, manager, 'input') },
    }),
  )
} finally {
  await browser.close()
  await device.close()
  await agent.close()
  await authority.close()
  rmSync(directory, { recursive: true, force: true })
}
