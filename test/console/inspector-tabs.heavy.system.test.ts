import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible, openBrowser, saveDownload, signInFirst, type Window } from '../support/browser.ts'
import { createInspectedYear } from '../support/inspected-year.ts'
import { findLabelFaults } from '../support/label-faults.ts'
import { selectScale } from '../support/scale.ts'
import { servePages } from '../support/pages.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

/**
 * Time travel, exchanges and “What if” in Chromium: with a year of history that the page reads instead of the device's
 * own, and then with a real device. Needs the built pages.
 */
const year = createInspectedYear()
const SIZES = [
  [1280, 800],
  [1440, 900],
  [390, 844],
].flatMap(([width = 0, height = 0]) =>
  [false, true].map((dark) => ({ name: `${width}x${height}${dark ? '-dark' : ''}`, width, height, dark })),
)
const TABS = ['time-travel', 'exchanges', 'what-if'] as const

let world: TestEnvironment
let pages: Awaited<ReturnType<typeof servePages>>
let browser: Awaited<ReturnType<typeof openBrowser>>
let window: Window

beforeAll(async () => {
  expect(existsSync('dist/pages/device/index.html')).toBe(true)
  world = await createTestEnvironment()
  pages = await servePages(world)
  browser = await openBrowser()
  window = await browser.open(pages.device.url)
  await signInFirst(window.page, pages.device.firstPasswordFile ?? '')
})
afterAll(async () => {
  await browser.close()
  await pages.close()
  await world.close()
})

/** Answers the inspection requests of the page with the year. */
async function showYear(page: Page): Promise<void> {
  const answers: Readonly<Record<string, (query: URLSearchParams) => unknown>> = {
    history: (query) =>
      year.history({
        limit: Number(query.get('limit') ?? 200),
        after: Number(query.get('after') ?? 0),
        before: Number(query.get('before') ?? 0),
      }),
    'state-changes': () => year.stateChanges(),
    snapshot: (query) => year.snapshot(Number(query.get('id') ?? 0)),
    exchanges: (query) => year.exchanges(Number(query.get('limit') ?? 50)),
  }
  await page.route(/\/api\/v1\/(history|state-changes|snapshot|exchanges)/, async (route) => {
    const url = new URL(route.request().url())
    const answer = answers[url.pathname.split('/').at(-1) ?? '']
    await route.fulfill({ json: answer?.(url.searchParams) })
  })
  await page.route(/\/api\/v1\/status/, async (route) => {
    const response = await route.fetch()
    const status = (await response.json()) as object
    await route.fulfill({ response, json: { ...status, state: 'out-of-compliance' } })
  })
}

const open = async (page: Page, view: string): Promise<void> => {
  await page.evaluate(`location.hash = '#/statechart?view=${view}'`)
  await page.getByRole('tab', { selected: true }).waitFor()
}

/** Waits until a tab has drawn its data. */
const ready: Readonly<Record<(typeof TABS)[number], (page: Page) => Promise<void>>> = {
  'time-travel': (page) => page.getByText('How it came to this').waitFor(),
  exchanges: (page) => page.getByText(/Tried again at/).waitFor(),
  'what-if': (page) => page.getByText(/steps$/).waitFor(),
}

/** Saves a picture if `SCREENSHOTS` names a directory. */
async function takePicture(page: Page, name: string): Promise<void> {
  const { SCREENSHOTS } = process.env
  if (SCREENSHOTS === undefined) return
  mkdirSync(resolve(SCREENSHOTS), { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `inspector-${name}.png`) })
}

// In its own tier, each size in one color scheme.
const inOneScheme = SIZES.filter(({ width, dark }) => dark === (width === 1440))
describe.each(selectScale(inOneScheme, SIZES))(
  'the tabs of the inspector at $name',
  ({ name, width, height, dark }) => {
    it.each(TABS)('%s can be read and used by everybody (R-INS-3, R-INS-4)', async (tab) => {
      const { page } = window
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' })
      await showYear(page)
      await open(page, tab)
      await ready[tab](page)
      expect(await findLabelFaults(page)).toEqual({ small: [], overlapping: [] })
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
      await takePicture(page, `${tab}-${name}`)
      await expectAccessible(page, `${tab} at ${name}`)
      await page.unrouteAll({ behavior: 'wait' })
    })
  },
)

describe('time travel', () => {
  it('moves with the keys, by changes and by events, and keeps its place in the URL (R-INS-3)', async () => {
    const { page } = window
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: 'light' })
    await showYear(page)
    await page.reload()
    await open(page, 'time-travel')
    const { changes } = year.stateChanges()
    const at = () => page.evaluate("Number(new URLSearchParams(location.hash.split('?')[1]).get('at'))")
    const slider = page.getByRole('slider', { name: 'Point in time' })
    await slider.focus()
    await page.keyboard.press('ArrowLeft')
    await expect.poll(at).toBe(changes.at(-2)?.id)
    await expect.poll(() => slider.getAttribute('aria-valuenow')).toBe(String(changes.length - 1))
    await page.keyboard.press('Shift+ArrowRight')
    await expect.poll(at).toBe((changes.at(-2)?.id ?? 0) + 1)
    await page.keyboard.press('Home')
    await expect.poll(at).toBe(changes[0]?.id)
    await expect.poll(() => slider.getAttribute('aria-valuetext')).toContain('Registered')
    await page.keyboard.press('End')
    await expect.poll(at).toBe(changes.at(-1)?.id)
    await page.keyboard.press('Space')
    // Playing begins again from the first change, and goes on.
    await expect.poll(at).toBe(changes[1]?.id)
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: 'Play' }).waitFor()
  })

  it('lists what lies between two changes, and all events (R-INS-3)', async () => {
    const { page } = window
    await page.getByRole('button', { name: /^5 more: 2 answered$/ }).click()
    await page.getByRole('button', { name: /Usage of HOST changed to 49/ }).click()
    await page.getByText('Usage of HOST changed to 49. The license state did not change.').waitFor()
    await page.getByRole('button', { name: /^All events/ }).click()
    const list = page.getByRole('region', { name: 'All events, newest first' })
    await list.getByText('Usage of HOST changed to 49').waitFor()
    await expectAccessible(page, 'all events')
    await page.evaluate("document.querySelector('.ins-travel-events').scrollTop = 1e9")
    await list.getByText('Usage of HOST changed to 4', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'What if, from here' }).click()
    await page.getByText('nothing on this page is real').waitFor()
  })
})

describe('“What if” of a real device', () => {
  it('runs in a worker, and touches neither the device nor its history (R-INS-4)', async () => {
    const { page } = window
    await page.unrouteAll({ behavior: 'wait' })
    await page.reload()
    await open(page, 'what-if')
    const { agent } = pages
    const before = JSON.stringify([agent.snapshot, agent.history(1000), agent.status()])
    const workers = new Set<string>()
    page.on('worker', (worker) => workers.add(worker.url()))
    await page.reload()
    await page.getByRole('heading', { name: /^From day 9[01] only license management works$/ }).waitFor()
    expect([...workers]).toEqual([expect.stringMatching(/\/assets\/what-if-worker-[\w-]+\.js$/)])
    await page.getByLabel('Let time pass').fill('36')
    await page.getByLabel('Unit of time').selectOption('hours')
    await page.getByRole('heading', { name: /^For 1.5 days the product may do everything$/ }).waitFor()
    expect(await page.getByText('smart-agent what-if').innerText()).toContain('--days 1.5')
    await page.getByLabel('Or send one event').selectOption('registration.start')
    await page.getByLabel('Reachable', { exact: true }).check()
    await page.getByRole('row', { name: /The device is registered/ }).waitFor()
    const saved = await saveDownload(page, () => page.getByRole('button', { name: 'Save as a test' }).click())
    expect(saved.name).toMatch(/^what-if-\d{4}-\d\d-\d\d\.test\.ts$/)
    expect(saved.text).toContain("import { whatIf } from 'smart-licensing-agent/machines'")
    expect(JSON.stringify([agent.snapshot, agent.history(1000), agent.status()])).toBe(before)
  })

  it('shows a wrong value at its field, and does not run (R-INS-4)', async () => {
    const { page } = window
    await page.getByLabel('Or send one event').selectOption('usage.changed')
    await page.getByLabel('Count in use').fill('-1')
    await page.getByText('Enter a number that this event may have.').waitFor()
    await page.getByLabel('Let time pass').fill('999999')
    await page.getByText('Enter 0 to 87600.').waitFor()
    await expectAccessible(page, 'what-if with wrong values')
    expect(await page.getByRole('button', { name: 'Run again' }).isDisabled()).toBe(true)
  })

  it('keeps the Content Security Policy, and sends nothing elsewhere (R-INS-4)', () => {
    expect(window.complaints).toEqual([])
  })
})

describe('time travel of a real device', () => {
  it('shows how it was registered, and copies its transitions as tests (R-INS-3)', async () => {
    const { page } = window
    await pages.agent.register(await world.token())
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await open(page, 'time-travel')
    await page.getByText('The license server answered: enough licenses for everything in use.').waitFor()
    await page.getByText('The license server accepted the token', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Copy as test' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const copied = await page.evaluate<string>('navigator.clipboard.readText()')
    expect(copied).toContain("it('is authorized after authorize.accepted'")
    await page.getByRole('button', { name: 'Previous' }).click()
    await page.getByText('The first authorization is asked for at once.').waitFor()
    await page.getByText('A token was entered').waitFor()
    expect(window.complaints).toEqual([])
  })
})

describe('the size of the inspector', () => {
  it('loads the machine only in the worker (R-INS-4)', () => {
    const names = readdirSync('dist/pages/assets')
    expect(names.filter((name) => /^what-if-worker-.*\.js$/.test(name))).toHaveLength(1)
  })
})
