import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ErrorCode, errorTable, LicensingError } from '../../src/core/errors.ts'
import { serveDeviceConsole } from '../../src/console/device-console.ts'
import { join } from 'node:path'
import { openBrowser, signInFirst, type Window } from '../support/browser.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { pickEveryNth, selectScale } from '../support/scale.ts'

const codes = (Object.keys(errorTable) as ErrorCode[]).filter((code) =>
  ['transport', 'answer'].includes(errorTable[code].kind),
)

let world: TestEnvironment
let browser: Awaited<ReturnType<typeof openBrowser>>
let window: Window
let close: () => Promise<void>
let fault: ErrorCode | null = null

beforeAll(async () => {
  world = await createTestEnvironment()
  const agent = await world.open('device', {
    createTransport: () => {
      const good = world.transport()
      return {
        ...good,
        post: (path, body) =>
          fault === null
            ? good.post(path, body)
            : Promise.reject(new LicensingError(fault, `What failed was ${fault.toLowerCase()}.`)),
      }
    },
  })
  await agent.register(await world.token())
  const page = await serveDeviceConsole(agent, {
    dataDir: join(world.directory, 'device'),
    host: '127.0.0.1',
    port: 0,
    logger: { error: () => undefined },
  })
  close = page.close
  browser = await openBrowser()
  window = await browser.open(page.url)
  await signInFirst(window.page, page.firstPasswordFile!)
})
afterAll(async () => {
  await browser.close()
  await close()
  await world.close()
})

describe('connection failures in the device console (R-UI-1, R-UI-5)', () => {
  it('are more than 25', () => {
    expect(codes.length).toBeGreaterThan(25)
  })

  it.each(pickEveryNth(selectScale(6, 1), codes))('show the message and remedy of %s', async (code) => {
    const { page } = window
    fault = code
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Smart Licenses', exact: true }).click()
    await page.getByRole('button', { name: 'View/Edit: Authorization Status' }).click()
    await page.getByRole('button', { name: 'Renew Authorization Now' }).click()
    const alert = page.getByRole('dialog').getByRole('alert').filter({ hasText: code })
    await alert.waitFor()
    const text = await alert.innerText()
    expect(text).toContain(`What failed was ${code.toLowerCase()}.`)
    expect(text).toContain(errorTable[code].remedy)
    fault = null
  })
})
