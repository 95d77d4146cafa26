import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'

const screenshots = resolve(import.meta.dirname, '../../docs/screenshots')

export const PASSWORD = 'correct horse battery'

/** A port that nobody listens on a moment ago. */
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

/** A page that is looked at by somebody, and by the test: what it asked for, and what it complained of. */
export interface Window {
  readonly page: Page
  /** Everything that must be empty: errors of the page, and requests that left for elsewhere. */
  readonly complaints: string[]
}

/** Chromium, headless: closed with the test. */
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
  /** Opens a page as one browser of one person. */
  const open = async (url: string, options: { width?: number; dark?: boolean } = {}): Promise<Window> => {
    const context = await browser.newContext({
      // A certificate that vouches for itself, or one of the authority's own CA.
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
      // A refusal that the page shows is in the browser's own log of the network too.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
        complaints.push(`console: ${message.text()}`)
    })
    page.on('request', (request) => {
      const asked = request.url()
      if (!asked.startsWith(url) && !asked.startsWith('data:') && !asked.startsWith('blob:'))
        complaints.push(`request: ${asked}`)
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

/** What a screen reader, a keyboard or weak eyes would stumble over: nothing serious. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // What is still fading in has another contrast.
  await page.waitForTimeout(300)
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResult>('axe.run(document, { resultTypes: ["violations"] })')
  const serious = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${what}: ${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`)
  expect(serious).toEqual([])
}

/** Gives the text of the file that a click saves. */
export async function saveDownload(
  page: Page,
  click: () => Promise<void>,
): Promise<{ name: string; text: string }> {
  const coming = page.waitForEvent('download')
  await click()
  const download = await coming
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') }
}

/** Chooses a file, by its text, where a page asks for one. */
export const chooseFile = (page: Page, label: string, name: string, text: string): Promise<void> =>
  page
    .getByLabel(label, { exact: true })
    .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) })

/** Keeps a picture for the documentation, when it is asked for. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  if (process.env.SCREENSHOTS === undefined) return
  mkdirSync(screenshots, { recursive: true })
  await page.waitForTimeout(300)
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}
