import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import {
  chooseFile,
  expectAccessible,
  freePort,
  openBrowser,
  takeScreenshot,
  saveDownload,
  signInFirst,
  type Window,
} from '../support/browser.ts'
import { createPrograms } from '../support/programs.ts'

/** Procedures of the CWMS planning guide, in its order and wording, in the web consoles of the built programs. */
const programs = createPrograms()
let browser: Awaited<ReturnType<typeof openBrowser>>
let deviceWindow: Window
let managerWindow: Window
let device: Page
let manager: Page
let authorityUrl: string

const status = (): Promise<Status> => programs.status()
const state = async (): Promise<string> => (await status()).state

beforeAll(async () => {
  await programs.initAuthority()
  const authority = await programs.serveAuthority()
  authorityUrl = authority.url
  await programs.initDevice(authorityUrl)
  const port = await freePort()
  await programs.serve('smart-agent', [
    '--data-dir',
    programs.dataDir(),
    'run',
    '--listen',
    `127.0.0.1:${port}`,
  ])
  browser = await openBrowser()
  deviceWindow = await browser.open(`https://127.0.0.1:${port}`)
  managerWindow = await browser.open(authorityUrl)
  device = deviceWindow.page
  manager = managerWindow.page
  await expectAccessible(device, 'sign in')
  await takeScreenshot(device, 'sign-in')
  await signInFirst(device, join(programs.dataDir(), 'console', 'first-password'))
  await signInFirst(manager, join(programs.dataDir('authority'), 'console', 'first-password'))
})
afterAll(async () => {
  await browser.close()
  await programs.close()
})

/** “Sign in to Webex Administration, and click System. In the Smart Licenses section, click View More.” */
async function viewMore(): Promise<void> {
  await device.keyboard.press('Escape')
  await device.getByRole('link', { name: 'System', exact: true }).click()
  await device.getByRole('link', { name: 'View More' }).click()
  await device.getByRole('heading', { name: 'Registration Status' }).waitFor()
}

/** “Next to the … Status, click View/Edit.” */
const viewEdit = (what: string): Promise<void> =>
  device.getByRole('button', { name: `View/Edit: ${what}` }).click()

/** “… click Inventory. From the Virtual Account menu, choose a virtual account. Select the … tab.” */
async function inventory(tab: string, virtualAccount = 'Default'): Promise<void> {
  await manager.keyboard.press('Escape')
  await manager.getByRole('link', { name: 'Inventory', exact: true }).click()
  await manager.getByLabel('Virtual Account', { exact: true }).selectOption(virtualAccount)
  await manager.getByRole('tab', { name: tab }).click()
}

/** “From the Actions menu (for the product instance), choose …” */
async function action(name: string): Promise<void> {
  const item = manager.getByRole('menuitem', { name, exact: true })
  const opened = () =>
    item.waitFor({ timeout: 4000 }).then(
      () => true,
      () => false,
    )
  // A menu disappears if a refetch removes its row.
  do {
    await manager.keyboard.press('Escape')
    await manager
      .getByRole('region', { name: 'Product Instances' })
      .getByRole('button', { name: /^Actions: / })
      .click()
  } while (!(await opened()))
  await item.click()
}

const dialog = (page: Page) => page.getByRole('dialog')

async function newToken(): Promise<string> {
  await inventory('General')
  await manager.getByRole('button', { name: 'New Token' }).click()
  await manager.getByLabel('Description').fill("The lab’s devices <img src=x onerror='alert(1)'>")
  await manager.getByLabel('Expire After').fill('30')
  await manager.getByLabel('Max. Number of Users').fill('5')
  await manager
    .getByLabel('Allow export-controlled functionality on the products registered with this token')
    .check()
  await manager.getByLabel(/I agree/).check()
  await manager.getByRole('button', { name: 'Create Token' }).click()
  await manager
    .getByRole('button', { name: /^Show the token/ })
    .first()
    .click()
  const token = await manager
    .getByRole('textbox', { name: 'Product Instance Registration Token' })
    .inputValue()
  await manager.keyboard.press('Escape')
  return token
}

async function order(quantity: number): Promise<void> {
  await manager.getByRole('link', { name: 'Orders', exact: true }).click()
  await manager.getByRole('button', { name: 'Place an order' }).click()
  await dialog(manager).getByLabel('Quantity').fill(String(quantity))
  await dialog(manager).getByRole('button', { name: 'Place an order' }).click()
  await dialog(manager).waitFor({ state: 'hidden' })
}

describe('License Registration', () => {
  it('R-UI-1, R-NET-4: Configure the Transport Settings', async () => {
    await viewMore()
    await device.getByRole('button', { name: 'Edit the Smart Software Call Home Transport Settings' }).click()
    // An invalid URL is reported at the field and not saved.
    await device.getByLabel('URL').fill('http://insecure.example')
    await device.getByRole('button', { name: 'Save' }).click()
    await expect.poll(() => device.getByLabel('URL').getAttribute('aria-invalid')).toBe('true')
    expect((await status()).transport.url).toBe(authorityUrl)
    // Unsaved settings can be tested, and the failing step is shown.
    await device.getByLabel('URL').fill(`https://127.0.0.1:${await freePort()}`)
    await device.getByRole('button', { name: 'Test connection' }).click()
    const testResult = device.getByRole('status', { name: 'Connection test' })
    await testResult.getByText('broken here').waitFor()
    expect(await testResult.innerText()).toContain('CONNECTION_REFUSED')
    await expectAccessible(device, 'transport settings')
    await takeScreenshot(device, 'transport-broken')
    // Selecting a proxy shows its fields.
    await device.getByLabel('HTTP/HTTPS Proxy').check()
    for (const label of ['Proxy URL', 'Username', 'Password'])
      await device.getByLabel(label, { exact: true }).waitFor()
    await device.getByLabel('Direct').check()
    await device.getByLabel('URL').fill(authorityUrl)
    await device.getByRole('button', { name: 'Test connection' }).click()
    await testResult.getByText('The way to the authority is good.').waitFor()
    await device.getByRole('button', { name: 'Save' }).click()
    await device.getByText('The settings are saved.').waitFor()
  })

  it('R-UI-2, R-TOK-1: Obtain the Product Instance Registration Token', async () => {
    await expectAccessible(manager, 'inventory')
    await inventory('General')
    await manager.getByRole('button', { name: 'New Token' }).click()
    await manager.getByLabel('Expire After').fill('366')
    await manager.getByLabel(/I agree/).check()
    await manager.getByRole('button', { name: 'Create Token' }).click()
    await manager.getByText('At most 365').waitFor()
    await expectAccessible(manager, 'create registration token')
    await manager.keyboard.press('Escape')
    expect(await newToken()).toMatch(/\S{20,}/)
    const row = manager.getByRole('table').getByRole('row').nth(1)
    expect(await row.innerText()).toContain("The lab’s devices <img src=x onerror='alert(1)'>")
    expect(await row.innerText()).toContain('0 of 5')
    await takeScreenshot(manager, 'tokens')
  })

  it('R-UI-1, R-TOK-5: Register Your Licenses', async () => {
    await order(10)
    const token = await newToken()
    await viewMore()
    await expectAccessible(device, 'smart licenses')
    const paste = device.getByLabel('Product Instance Registration Token')
    await paste.fill('1234-5678-90AB')
    await device.getByRole('button', { name: 'Register', exact: true }).click()
    await device.getByRole('alert').waitFor()
    await paste.fill(token)
    await device.getByRole('button', { name: 'Register', exact: true }).click()
    await device.locator('[data-state=authorized]').waitFor()
    expect(await state()).toBe('authorized')
    await takeScreenshot(device, 'smart-licenses')
  })

  it('R-UI-1, R-REG-2: Renew Registration', async () => {
    await viewMore()
    await viewEdit('Registration Status')
    await expectAccessible(device, 'registration status')
    await device.getByRole('button', { name: 'Renew Registration Now' }).click()
    await device.getByText('It is renewed.').waitFor()
    expect((await status()).registration.lastRenewal?.outcome).toBe('succeeded')
  })

  it('R-UI-1, R-AUTH-1: Renew Authorization', async () => {
    const before = (await status()).authorization.lastAttempt!.at
    await viewMore()
    await viewEdit('Authorization Status')
    await device.getByRole('button', { name: 'Renew Authorization Now' }).click()
    await device.getByText('It is renewed.').waitFor()
    expect((await status()).authorization.lastAttempt!.at > before).toBe(true)
  })

  it('R-UI-1, R-REG-3, R-REG-4: Reregister, with an automatically selected overwrite', async () => {
    await device.keyboard.press('Escape')
    await device.getByRole('link', { name: 'Hosts', exact: true }).click()
    await device.getByRole('button', { name: 'Assign license' }).click()
    await dialog(device).getByLabel('User').fill('ann@acme.example')
    await dialog(device).getByRole('button', { name: 'Assign license' }).click()
    await device.getByText('ann@acme.example').waitFor()
    const token = await newToken()
    await viewMore()
    await viewEdit('Registration Status')
    await device.getByRole('button', { name: 'Reregistration' }).click()
    await dialog(device).getByLabel('Product Instance Registration Token').fill(token)
    const overwrite = dialog(device).getByLabel('Overwrite product instance on Smart Software Manager')
    expect(await overwrite.isChecked()).toBe(false)
    await dialog(device).getByRole('button', { name: 'Reregister', exact: true }).click()
    await device.getByText(/is ticked now/).waitFor()
    expect(await overwrite.isChecked()).toBe(true)
    const before = (await status()).registration.registeredAt!
    await dialog(device).getByRole('button', { name: 'Reregister', exact: true }).click()
    await dialog(device).getByRole('button', { name: 'Reregister', exact: true }).waitFor({ state: 'hidden' })
    const after = await status()
    expect(after.registration.registeredAt! >= before).toBe(true)
    expect([after.state, after.hosts?.assigned]).toEqual(['authorized', 1])
  })

  it('R-UI-2: Show the instance and its licenses in the inventory', async () => {
    await inventory('Licenses')
    await manager.getByRole('cell', { name: /Host License/ }).waitFor()
    await expectAccessible(manager, 'licenses')
    await takeScreenshot(manager, 'licenses')
    await manager.getByRole('button', { name: 'Actions: HOST' }).click()
    await manager.getByRole('menuitem', { name: 'Show License Transactions' }).click()
    await dialog(manager).getByText('Perpetual').waitFor()
    await expectAccessible(manager, 'license transactions')
    await manager.keyboard.press('Escape')
    await inventory('Product Instances')
    await manager.getByRole('cell', { name: 'DEVICE', exact: true }).waitFor()
    await expectAccessible(manager, 'product instances')
    await action('Details')
    await dialog(manager).getByText('CWMS-K9').waitFor()
    await dialog(manager).getByRole('tab', { name: 'Event Log' }).click()
    await dialog(manager)
      .getByText(/registered/i)
      .first()
      .waitFor()
    await manager.keyboard.press('Escape')
    await inventory('Event Log')
    await manager.getByRole('table').waitFor()
    await expectAccessible(manager, 'event log')
  })

  it('R-UI-1, R-REG-5: Deregister, on the dialogue device, click Yes', async () => {
    await viewMore()
    await viewEdit('Registration Status')
    await device.getByRole('button', { name: 'Deregister' }).click()
    await device.getByRole('button', { name: 'No', exact: true }).click()
    expect(await state()).toBe('authorized')
    await device.getByRole('button', { name: 'Deregister' }).click()
    await expectAccessible(device, 'deregister')
    await device.getByRole('button', { name: 'Yes', exact: true }).click()
    await device.locator('[data-state=evaluation]').waitFor()
    expect(await state()).toBe('evaluation')
  })
})

describe('License Reservation', () => {
  let requestCode = ''
  let file = { name: '', text: '' }
  let confirmationCode = ''
  let returnCode = ''

  it('R-UI-1, R-SLR-2: Obtain a Reservation Request Code', async () => {
    await viewMore()
    await device.getByRole('button', { name: 'click here' }).click()
    await device.getByRole('button', { name: 'Create Reservation Request Code' }).click()
    const code = device.getByRole('textbox', { name: 'Reservation Request Code' })
    await code.waitFor()
    requestCode = await code.inputValue()
    const kept = await saveDownload(device, () =>
      dialog(device).getByRole('button', { name: 'Save to a file' }).click(),
    )
    expect(kept.text.trim()).toBe(requestCode)
    await device.getByRole('button', { name: 'Show QR code' }).click()
    await device.getByRole('img', { name: /QR code/ }).waitFor()
    await expectAccessible(device, 'reservation request')
    await takeScreenshot(device, 'reservation-request')
    await device.getByRole('button', { name: 'OK', exact: true }).click()
    expect((await status()).reservation.requestCode).toBe(requestCode)
  })

  it('R-UI-2, R-SLR-1, R-SLR-3: Obtain the Reservation Authorization Code File', async () => {
    await inventory('Licenses')
    await manager.getByRole('button', { name: 'License Reservation' }).click()
    await manager.getByLabel('Reservation Request Code').fill(requestCode)
    await manager.getByRole('button', { name: 'Next', exact: true }).click()
    await manager.getByLabel('Reserve a specific license').check()
    const quantity = manager.getByLabel('Quantity to Reserve: HOST')
    await quantity.fill('11')
    await manager.getByText('At most 10 are available.').waitFor()
    expect(await manager.getByRole('button', { name: 'Next', exact: true }).isDisabled()).toBe(true)
    await quantity.fill('3')
    await expectAccessible(manager, 'reserve licenses')
    await takeScreenshot(manager, 'reserve')
    await manager.getByRole('button', { name: 'Next', exact: true }).click()
    const generate = manager.getByRole('button', { name: 'Generate Authorization Code' })
    await generate.click()
    // License reservation must be enabled first.
    await manager.getByRole('button', { name: 'Authorize this smart account for reservation' }).click()
    await manager.getByText('The smart account is authorized for reservation.').waitFor()
    await generate.click()
    file = await saveDownload(manager, () => manager.getByRole('button', { name: 'Download File' }).click())
    expect(file.text).toContain('HOST')
    await manager.getByRole('button', { name: 'Close' }).last().click()
  })

  it('R-UI-1, R-SLR-4: Register Your Reserved Licenses', async () => {
    await viewMore()
    await device.getByRole('button', { name: 'click here' }).click()
    await chooseFile(
      device,
      'Reservation Authorization Code file',
      file.name,
      file.text.replace('HOST', 'GHOST'),
    )
    await device.getByRole('button', { name: 'Install Authorization Code' }).click()
    await dialog(device).getByRole('alert').waitFor()
    expect((await status()).reservation.status).toBe('requested')
    await chooseFile(device, 'Reservation Authorization Code file', file.name, file.text)
    await device.getByRole('button', { name: 'Install Authorization Code' }).click()
    await device.locator('[data-state=reserved]').waitFor()
    expect(await state()).toBe('reserved')
    await expectAccessible(device, 'reserved')
    await takeScreenshot(device, 'reserved')
  })

  it('R-UI-2, R-SLR-5: Modify Your Reserved Licenses', async () => {
    await inventory('Product Instances')
    await action('Update Reserved Licenses')
    await manager.getByLabel('Update a specific license').check()
    await manager.getByLabel('Quantity to Reserve: HOST').fill('5')
    await manager.getByRole('button', { name: 'Next', exact: true }).click()
    await manager.getByRole('button', { name: 'Generate Authorization Code' }).click()
    file = await saveDownload(manager, () =>
      manager.getByRole('button', { name: 'Download as File' }).click(),
    )
    await manager.getByRole('button', { name: 'Close' }).last().click()
  })

  it('R-UI-1, R-SLR-5: Update Your Reserved Licenses', async () => {
    await viewMore()
    await device.getByRole('button', { name: 'Modify Licenses' }).click()
    await chooseFile(device, 'Reservation Authorization Code file', file.name, file.text)
    await device.getByRole('button', { name: 'Update', exact: true }).click()
    const code = dialog(device).getByRole('textbox', { name: 'Confirmation Code' })
    await code.waitFor()
    confirmationCode = await code.inputValue()
    expect((await status()).reservation.entitlements[0]?.count).toBe(5)
  })

  it('R-UI-2, R-SLR-7: Enter the Confirmation Code', async () => {
    await inventory('Product Instances')
    await manager.getByText('update not confirmed').waitFor()
    await action('Enter Confirmation Code')
    const last = confirmationCode.at(-1) === 'A' ? 'B' : 'A'
    await manager
      .getByRole('textbox', { name: 'Confirmation Code' })
      .fill(confirmationCode.slice(0, -1) + last)
    await manager.getByRole('button', { name: 'OK', exact: true }).click()
    await dialog(manager).getByRole('alert').waitFor()
    await manager
      .getByRole('textbox', { name: 'Confirmation Code' })
      .fill(` ${confirmationCode.toLowerCase()}\n`)
    await manager.getByRole('button', { name: 'OK', exact: true }).click()
    await manager.getByText('update not confirmed').waitFor({ state: 'hidden' })
  })

  it('R-UI-1, R-SLR-6: Create a Reservation Return Code', async () => {
    await viewMore()
    await viewEdit('Registration Status')
    await dialog(device).getByRole('button', { name: 'Create', exact: true }).click()
    await device.getByRole('button', { name: 'Yes', exact: true }).click()
    const code = dialog(device).getByRole('textbox', { name: 'Reservation Return Code' })
    await code.waitFor()
    returnCode = await code.inputValue()
    expect((await status()).reservation.status).toBe('returning')
  })

  it('R-UI-2, R-SLR-6: Remove the Product Instance', async () => {
    await inventory('Product Instances')
    await action('Remove')
    await manager.getByLabel('Reservation Return Code').fill(returnCode)
    await manager.getByRole('button', { name: 'Remove Product Instance' }).click()
    await manager.getByText('No product instance is registered in this virtual account.').waitFor()
  })

  it('R-UI-1, R-SLR-6: Return Your Reserved Licenses', async () => {
    await viewMore()
    await viewEdit('Registration Status')
    await device.getByRole('button', { name: 'Return Reserved Licenses' }).click()
    await device.locator('[data-state=evaluation]').waitFor()
    expect(await state()).toBe('evaluation')
  })
})

describe('Other functions of the consoles', () => {
  it('R-UI-2, R-ACC-3: Manage virtual accounts, and transfer licenses with a preview of the effects', async () => {
    await inventory('Licenses')
    await manager.getByRole('button', { name: 'Virtual account actions' }).click()
    await manager.getByRole('menuitem', { name: 'Add virtual account' }).click()
    await dialog(manager).getByLabel('Name').fill('<b>East</b>')
    await dialog(manager).getByRole('button', { name: 'Add virtual account' }).click()
    await dialog(manager).waitFor({ state: 'hidden' })
    await inventory('Licenses')
    await manager.getByRole('button', { name: 'Actions: HOST' }).click()
    await manager.getByRole('menuitem', { name: 'Transfer' }).click()
    await dialog(manager).getByLabel('Quantity').fill('4')
    await dialog(manager).getByRole('button', { name: 'Show what it does' }).click()
    await dialog(manager).getByRole('table').waitFor()
    await expectAccessible(manager, 'transfer')
    await takeScreenshot(manager, 'transfer')
    await dialog(manager).getByRole('button', { name: 'Transfer', exact: true }).click()
    await dialog(manager).waitFor({ state: 'hidden' })
    await inventory('Licenses', '<b>East</b>')
    await manager.getByRole('cell', { name: '+4' }).waitFor()
  })

  it('R-UI-2, R-TOK-2: Revoke a token', async () => {
    await inventory('General')
    await manager
      .getByRole('button', { name: /^Actions: / })
      .first()
      .click()
    await manager.getByRole('menuitem', { name: 'Revoke' }).click()
    await dialog(manager).getByRole('button', { name: 'Revoke' }).click()
    await manager.getByText('Revoked').first().waitFor()
  })

  it('R-UI-2, R-ACC-7: Show alerts, reports with a chart and CSV, preferences and users', async () => {
    for (const name of ['Alerts', 'Satellites', 'Orders', 'Reports', 'Preferences', 'Users']) {
      await manager.getByRole('link', { name, exact: true }).click()
      await manager.getByRole('heading', { name, exact: true }).waitFor()
      await expectAccessible(manager, name)
      await takeScreenshot(manager, name.toLowerCase())
    }
    await manager.getByRole('link', { name: 'Reports', exact: true }).click()
    const csv = await saveDownload(manager, () =>
      manager.getByRole('button', { name: 'Download CSV' }).click(),
    )
    expect(csv.text.split('\r\n').length).toBeGreaterThan(2)
    await manager.getByRole('link', { name: 'Preferences', exact: true }).click()
    await manager.getByText('Folder on the server').click()
    await manager.getByLabel('From').fill('licensing@acme.example')
    await manager.getByLabel('Folder', { exact: true }).fill(join(programs.directory, 'mail'))
    await manager.getByRole('button', { name: 'Save' }).click()
    // The page writes only into folders that are there.
    await manager.getByText(/The folder .* does not exist/).waitFor()
    mkdirSync(join(programs.directory, 'mail'))
    await manager.getByRole('button', { name: 'Save' }).click()
    await manager.getByText('The settings are saved.').waitFor()
    await manager.getByRole('button', { name: 'Add recipient' }).click()
    await dialog(manager).getByLabel('Recipient').fill('ann@evil.example')
    await dialog(manager).getByLabel('Expiring Licenses').first().check()
    expect(await dialog(manager).getByLabel('90 days before').isChecked()).toBe(true)
    await dialog(manager).getByLabel('30 days before').check()
    await expectAccessible(manager, 'notification')
    await dialog(manager).getByRole('button', { name: 'Save' }).click()
    await dialog(manager).getByText('is not in the domain').waitFor()
    await dialog(manager).getByLabel('Recipient').fill('ann@acme.example')
    await dialog(manager).getByRole('button', { name: 'Save' }).click()
    await dialog(manager).waitFor({ state: 'hidden' })
    await manager.getByText('Status Notification, Expiring Licenses (90, 30 days)').waitFor()
    await expectAccessible(manager, 'notifications')
    await takeScreenshot(manager, 'preferences')
    await manager.getByRole('button', { name: 'Actions: ann@acme.example' }).click()
    await manager.getByRole('menuitem', { name: 'Remove' }).click()
    await dialog(manager).getByRole('button', { name: 'Yes', exact: true }).click()
    await manager.getByText('There are no recipients yet.').waitFor()
    await inventory('Event Log')
    const log = await saveDownload(manager, () =>
      manager.getByRole('button', { name: 'Download CSV' }).click(),
    )
    expect(log.text).toMatch(/^Time,Severity,Type,Virtual account,Instance,Message,User\r\n/)
    expect(log.text).toMatch(/TOKEN_CREATED,.*,admin\r\n/)
    await inventory('General')
    await manager.getByRole('cell', { name: 'admin', exact: true }).first().waitFor()
    await manager.getByRole('link', { name: 'Users', exact: true }).click()
    await manager.getByRole('button', { name: 'Add user' }).click()
    await dialog(manager).getByLabel('User name').fill('vera')
    await dialog(manager).getByLabel('Role').selectOption('viewer')
    await dialog(manager).getByRole('button', { name: 'Add user' }).click()
    await dialog(manager)
      .getByLabel(/one-time password of vera/)
      .waitFor()
    await dialog(manager).getByRole('button', { name: 'OK' }).click()
    await manager.getByRole('cell', { name: 'vera', exact: true }).first().waitFor()
    await manager.getByRole('cell', { name: 'token-create' }).first().waitFor()
  })

  it('R-UI-1: Search many hosts, and show names as text only', async () => {
    const ill = '<img src=x onerror="alert(1)">'
    for (const user of [ill, 'bob', 'carol'])
      await programs.good(programs.agent(['host', 'assign', user, '--json']))
    await device.keyboard.press('Escape')
    await device.getByRole('link', { name: 'Hosts', exact: true }).click()
    await device.getByText(ill).waitFor()
    await expectAccessible(device, 'hosts')
    await takeScreenshot(device, 'hosts')
    await device.getByLabel('Search by name').fill('CAR')
    await device.getByText('bob').waitFor({ state: 'hidden' })
    await device.getByRole('button', { name: 'Actions: carol' }).click()
    await device.getByRole('menuitem', { name: 'Deactivate' }).click()
    await device.getByRole('button', { name: 'Yes', exact: true }).click()
    await device.getByText('No user has that name.').waitFor()
    expect((await status()).hosts?.assigned).toBe(3)
  })

  it('R-UI-1, R-SYS-2: Show the system, change its size, and show support data without secrets', async () => {
    await device.getByRole('link', { name: 'System', exact: true }).click()
    await expectAccessible(device, 'system')
    await takeScreenshot(device, 'system')
    await device.getByLabel('Size', { exact: true }).selectOption('large')
    await device.getByRole('button', { name: 'Set size' }).click()
    await device.getByRole('button', { name: 'Extend to 4000 ports' }).waitFor()
    // Extended capacity has no evaluation.
    await device.getByRole('button', { name: 'Extend to 4000 ports' }).click()
    await device.getByRole('alert').first().waitFor()
    const bundle = await saveDownload(device, () =>
      device.getByRole('button', { name: 'Download support bundle' }).click(),
    )
    const { version, history } = JSON.parse(bundle.text) as { version: string; history: unknown[] }
    expect([typeof version, history.length > 10]).toEqual(['string', true])
    for (const secret of ['PRIVATE KEY', 'correct horse']) expect(bundle.text).not.toContain(secret)
  })

  it('R-UI-4: Show the event history with causes', async () => {
    await device.getByRole('link', { name: 'Event history', exact: true }).click()
    await device.getByRole('table').waitFor()
    await expectAccessible(device, 'event history')
    await takeScreenshot(device, 'history')
  })

  it('R-UI-4, R-INS-1: Show the state machine live', async () => {
    await device.getByRole('link', { name: 'Statechart', exact: true }).click()
    const active = device.locator('.ins-state[data-active]')
    await expect.poll(() => active.getAttribute('data-state-id')).toBe('license.evaluation')
    const reservation = device.locator('.ins-chip', { hasText: 'Reservation' })
    await expect.poll(() => reservation.innerText()).toContain('None')
    await expectAccessible(device, 'statechart')
    await programs.good(programs.agent(['reservation', 'request', '--json']))
    await expect.poll(() => reservation.innerText()).toContain('Requested')
    await programs.good(programs.agent(['reservation', 'cancel', '--json']))
    await expect.poll(() => reservation.innerText()).toContain('None')
  })

  it('Work in dark mode, on a narrow screen and by keyboard alone', async () => {
    await device.setViewportSize({ width: 390, height: 844 })
    await device.getByRole('button', { name: 'Switch between light and dark' }).click()
    await device.getByRole('button', { name: 'Menu' }).click()
    await device.getByRole('link', { name: 'Smart Licenses', exact: true }).click()
    await device.getByRole('heading', { name: 'Registration Status' }).waitFor()
    await expectAccessible(device, 'dark and narrow')
    await takeScreenshot(device, 'narrow-dark')
    const wide = await device.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
    expect(wide).toBe(true)
    const edit = device.getByRole('button', { name: 'View/Edit: Authorization Status' })
    await edit.focus()
    await device.keyboard.press('Enter')
    await dialog(device).waitFor()
    await device.keyboard.press('Escape')
    await dialog(device).waitFor({ state: 'hidden' })
    await expect
      .poll(() => device.evaluate('document.activeElement.getAttribute("aria-label")'))
      .toBe('View/Edit: Authorization Status')
  })

  it('Cause no browser errors and no foreign requests', () => {
    expect([...deviceWindow.complaints, ...managerWindow.complaints]).toEqual([])
  })
})
