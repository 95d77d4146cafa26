import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  chooseFile,
  expectAccessible,
  openBrowser,
  takeScreenshot,
  saveDownload,
  signInFirst,
  type Window,
} from '../support/browser.ts'
import { createPrograms } from '../support/programs.ts'

/** Built programs: a satellite and its manager, which exchange files through their consoles. */
const programs = createPrograms()
let browser: Awaited<ReturnType<typeof openBrowser>>
let windows: Window[]
let manager: Page
let satellite: Page

beforeAll(async () => {
  await programs.initAuthority()
  await programs.order(7)
  await programs.good(
    programs.run('smart-authority', [
      ...['--data-dir', programs.dataDir('satellite'), '--account', 'acme.example', '--json'],
      ...['init', '--role', 'satellite', '--name', 'site', '--accept-agreement'],
    ]),
  )
  const above = await programs.serveAuthority()
  const below = await programs.serve('smart-authority', [
    ...['--data-dir', programs.dataDir('satellite'), 'serve', '--listen', '127.0.0.1:0'],
  ])
  browser = await openBrowser()
  windows = [await browser.open(above.url), await browser.open(below.line.replace('listening on ', ''))]
  const [first, second] = windows
  manager = first!.page
  satellite = second!.page
  await signInFirst(manager, join(programs.dataDir('authority'), 'console', 'first-password'))
  await signInFirst(satellite, join(programs.dataDir('satellite'), 'console', 'first-password'))
})
afterAll(async () => {
  await browser.close()
  await programs.close()
})

describe('a satellite in the web consoles (R-UI-2, R-SAT-3)', () => {
  let answer = { name: '', text: '' }

  const exchangeFiles = async (): Promise<void> => {
    await satellite.getByRole('link', { name: 'Synchronization', exact: true }).click()
    const request = await saveDownload(satellite, () =>
      satellite.getByRole('button', { name: 'Write the request' }).click(),
    )
    await manager.getByRole('link', { name: 'Satellites', exact: true }).click()
    await chooseFile(manager, 'Synchronization request of the satellite', request.name, request.text)
    await manager.getByRole('button', { name: 'Make the answer' }).click()
    answer = await saveDownload(manager, () =>
      manager.getByRole('button', { name: 'Download the answer' }).click(),
    )
    await chooseFile(satellite, 'Answer of the manager', answer.name, answer.text)
    await satellite.getByRole('button', { name: 'Take the answer' }).click()
  }

  it('is added at the manager', async () => {
    await manager.getByRole('link', { name: 'Satellites', exact: true }).click()
    await manager.getByRole('button', { name: 'Add satellite' }).click()
    const dialog = manager.getByRole('dialog')
    await dialog.getByLabel('Name', { exact: true }).fill('site')
    await dialog.getByLabel('Virtual account').fill('Site')
    await dialog.getByRole('button', { name: 'Add satellite' }).click()
    await dialog.getByRole('textbox', { name: 'One-time code' }).waitFor()
    await dialog.getByRole('button', { name: 'OK' }).click()
    await manager.getByText('Waiting for its first exchange').waitFor()
  })

  it('registers offline after a comparison of the root fingerprint', async () => {
    await exchangeFiles()
    await satellite.getByText(/Compare this fingerprint/).waitFor()
    await expectAccessible(satellite, 'compare the fingerprint')
    await satellite.getByRole('button', { name: 'It is the right one' }).click()
    await satellite.getByText('Exchange 1 is done.').waitFor()
    await expectAccessible(satellite, 'synchronization')
    await takeScreenshot(satellite, 'synchronization')
    await manager.getByText('Current', { exact: true }).waitFor()
    await expectAccessible(manager, 'satellites')
    await takeScreenshot(manager, 'satellites')
  })

  it('imports an answer only once, and refuses an altered one', async () => {
    await chooseFile(satellite, 'Answer of the manager', answer.name, answer.text)
    await satellite.getByRole('button', { name: 'Take the answer' }).click()
    await satellite.getByText('SYNC_ANSWER_IMPORTED').waitFor()
    await chooseFile(satellite, 'Answer of the manager', answer.name, answer.text.replace('Site', 'Sate'))
    await satellite.getByRole('button', { name: 'Take the answer' }).click()
    await satellite.getByText('SIGNED_FILE_ALTERED').waitFor()
  })

  it('receives transferred licenses and creates its own tokens (R-ACC-5)', async () => {
    await manager.getByRole('link', { name: 'Inventory', exact: true }).click()
    await manager.getByRole('tab', { name: 'Licenses' }).click()
    await manager.getByRole('button', { name: 'Actions: HOST' }).click()
    await manager.getByRole('menuitem', { name: 'Transfer' }).click()
    const dialog = manager.getByRole('dialog')
    await dialog.getByLabel('To the virtual account').selectOption('Site')
    await dialog.getByLabel('Quantity').fill('5')
    await dialog.getByRole('button', { name: 'Transfer', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await exchangeFiles()
    await satellite.getByText('Exchange 2 is done.').waitFor()
    await satellite.getByRole('link', { name: 'Inventory', exact: true }).click()
    await satellite.getByRole('tab', { name: 'Licenses' }).click()
    await satellite.getByRole('cell', { name: '+5' }).waitFor()
    await satellite.getByRole('tab', { name: 'General' }).click()
    await satellite.getByRole('button', { name: 'New Token' }).click()
    await satellite.getByLabel(/I agree/).check()
    await satellite.getByRole('button', { name: 'Create Token' }).click()
    await satellite.getByRole('button', { name: /^Show the token/ }).waitFor()
    await manager.getByRole('link', { name: 'Inventory', exact: true }).click()
    await manager.getByLabel('Virtual Account', { exact: true }).selectOption('Site')
    await manager.getByRole('tab', { name: 'General' }).click()
    await manager.getByText(/its tokens are made there/).waitFor()
  })

  it('causes no browser errors and no foreign requests', () => {
    expect(windows.flatMap(({ complaints }) => complaints)).toEqual([])
  })
})
