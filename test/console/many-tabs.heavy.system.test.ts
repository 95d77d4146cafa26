import { existsSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBrowser, signInFirst } from '../support/browser.ts'
import { servePages } from '../support/pages.ts'
import { selectScale } from '../support/scale.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

/** Many tabs of one browser, which opens six connections to a server. Needs the built pages. */
const TABS = selectScale(8, 30)

let world: TestEnvironment
let pages: Awaited<ReturnType<typeof servePages>>
let browser: Awaited<ReturnType<typeof openBrowser>>

beforeAll(async () => {
  expect(existsSync('dist/pages/manager/index.html')).toBe(true)
  world = await createTestEnvironment()
  pages = await servePages(world)
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  await pages.close()
  await world.close()
})

it(`${TABS} tabs of the manager share one event stream, and a closed tab leaves it to another`, async () => {
  const { page: first } = await browser.open(pages.manager.url)
  /** Tabs that have requested the stream, in order. */
  const streams: Page[] = []
  const watch = (page: Page) =>
    page.on('request', (request) => {
      if (request.url().endsWith('/api/v1/live')) streams.push(page)
    })
  watch(first)
  await signInFirst(first, pages.manager.firstPasswordFile ?? '')
  const tabs = [first]
  while (tabs.length < TABS) {
    const page = await first.context().newPage()
    watch(page)
    await page.goto(pages.manager.url)
    await page.getByRole('heading', { name: 'Inventory' }).waitFor()
    tabs.push(page)
  }
  expect(streams).toEqual([first])

  const expectShown = async (name: string) => {
    for (const page of tabs)
      await page.getByRole('option', { name, exact: true }).waitFor({ state: 'attached' })
  }
  await world.authority.accounts.addVirtualAccount('Lab')
  await expectShown('Lab')

  await first.close()
  tabs.shift()
  await expect.poll(() => streams.length).toBe(2)
  await world.authority.accounts.addVirtualAccount('Branch')
  await expectShown('Branch')
  expect(streams).toHaveLength(2)
})
