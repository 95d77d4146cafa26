import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'

const screenshots = resolve(import.meta.dirname, '../../docs/screenshots')

export const PASSWORD = 'correct horse battery'

/** Returns a port that is free at the time of the call. */
export function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => {
        done(port)
      })
    })
  })
}

/** A browser page, and the errors and unexpected requests that it caused. */
export interface Window {
  readonly page: Page
  /** Errors of the page, and requests to other servers. The list must stay empty. */
  readonly complaints: string[]
}

/** Starts headless Chromium. The test must close it. */
export async function openBrowser() {
  const browser: Browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  /** Opens a page in a separate browser context. */
  const open = async (url: string, options: { width?: number; dark?: boolean } = {}): Promise<Window> => {
    const context = await browser.newContext({
      // The certificate is self-signed, or issued by the authority's own CA.
      ignoreHTTPSErrors: true,
      viewport: { width: options.width ?? 1280, height: 900 },
      colorScheme: options.dark ? 'dark' : 'light',
      locale: 'en-US',
      reducedMotion: 'reduce',
    })
    context.setDefaultTimeout(60_000)
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', ({ message }) => complaints.push(`error: ${message}`))
    page.on('console', (message) => {
      // The browser also logs each response with status 4xx, which the page shows itself.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
        complaints.push(`console: ${message.text()}`)
    })
    page.on('request', (request) => {
      const target = request.url()
      if (!target.startsWith(url) && !target.startsWith('data:') && !target.startsWith('blob:'))
        complaints.push(`request: ${target}`)
    })
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    await page.goto(url)
    return { page, complaints }
  }
  return { open, close: () => browser.close() }
}

/** Signs in as the first user, and sets a password. */
export async function signInFirst(page: Page, passwordFile: string): Promise<void> {
  const first = readFileSync(passwordFile, 'utf8').trim()
  await signInAs(page, 'admin', first)
  await page.getByRole('heading', { name: 'Set a password' }).waitFor()
  await page.getByLabel('Present password').fill(first)
  await page.getByLabel('New password', { exact: true }).fill(PASSWORD)
  await page.getByLabel('New password again').fill(PASSWORD)
  await page.getByRole('button', { name: 'Set password' }).click()
  await page.getByRole('navigation').waitFor()
}

export async function signInAs(page: Page, name: string, password: string): Promise<void> {
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string
    readonly impact: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

/** Asserts that axe finds no serious or critical accessibility violation. */
export async function expectAccessible(page: Page, name: string): Promise<void> {
  // Elements that still fade in have a lower contrast.
  await page.waitForTimeout(300)
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResult>('axe.run(document, { resultTypes: ["violations"] })')
  const serious = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`)
  expect(serious).toEqual([])
}

/** Clicks and returns the file that the page saves. */
export async function saveDownload(
  page: Page,
  click: () => Promise<void>,
): Promise<{ name: string; text: string }> {
  const pending = page.waitForEvent('download')
  await click()
  const download = await pending
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') }
}

/** Selects a file with the given text in a file input. */
export const chooseFile = (page: Page, label: string, name: string, text: string): Promise<void> =>
  page
    .getByLabel(label, { exact: true })
    .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) })

/** Saves a screenshot for the documentation if `SCREENSHOTS` is set. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  if (process.env.SCREENSHOTS === undefined) return
  mkdirSync(screenshots, { recursive: true })
  await page.waitForTimeout(300)
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}
