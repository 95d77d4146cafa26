import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { CLOUD_V1_PREFIX, CLOUD_V2_PREFIX, type Rest, serveRest } from '../support/rest.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import type { TestEnvironment } from '../support/test-environment.ts'

// Sends the requests of known clients of Cisco's API, and checks the fields that they read.

const DAY = 86_400_000
let world: TestEnvironment
let rest: Rest
let token: string
let device: SmartAgent
beforeAll(async () => {
  world = await createReservationEnvironment(20)
  await world.authority.accounts.addVirtualAccount("R&D 'Lab'")
  await world.authority.accounts.addVirtualAccount('Second')
  await world.authority.orders.create({ tag: 'SYS-XL', quantity: 5, termDays: 90 })
  rest = await serveRest(world)
  ;({ token } = await rest.clientToken())
  device = await world.open()
  device.setUsage('HOST', 4)
  await device.register(await world.token())
})
afterAll(() => world.close())

const V1 = `${CLOUD_V1_PREFIX}/v1/accounts/acme.example`
const ONPREM = '/api/v1/accounts/acme.example'
const get = (path: string, headers?: Record<string, string>) =>
  rest.send(path, { token, ...(headers && { headers }) })
const post = (path: string, body: unknown, headers?: Record<string, string>) =>
  rest.send(path, { token, body, ...(headers && { headers }) })

describe('the accounts API', () => {
  it('lists and searches accounts for a Go client', async () => {
    const { json } = await get(`${CLOUD_V1_PREFIX}/v2/accounts/`)
    expect(json).toEqual({
      status: 'SUCCESS',
      statusMessage: expect.any(String),
      accounts: [
        {
          accountStatus: 'ACTIVE',
          accountDomain: 'acme.example',
          accountName: 'acme.example',
          accountType: 'CUSTOMER',
          roles: [{ role: 'Smart Account Administrator' }],
        },
      ],
    })
    const found = await get(
      `${CLOUD_V1_PREFIX}/v1/accounts/search?domain=ACME&type=CUSTOMER&limit=1000&offset=0`,
    )
    expect(found.json).toMatchObject({ totalRecords: 1, accounts: [{ domain: 'acme.example', id: 1 }] })
    const none = await get(`${CLOUD_V1_PREFIX}/v1/accounts/search?domain=unknown`)
    expect(none.json).toMatchObject({ totalRecords: 0, accounts: [] })
  })

  it('ignores empty parameters, and caps the limit', async () => {
    const search = `${CLOUD_V1_PREFIX}/v1/accounts/search`
    const [whole] = (await get(search)).json.accounts
    for (const query of ['domain=&type=&limit=&offset=', 'limit=5000'])
      expect((await get(`${search}?${query}`)).json.accounts[0]).toEqual(whole)
    for (const path of [
      `${CLOUD_V2_PREFIX}/pnp/v2/accounts?accountDomain=&startIdx=&rowsPerPage=`,
      `${CLOUD_V2_PREFIX}/licensing/v2/accounts/acme.example/devices?virtualAccountName=&instanceName=&limit=&offset=`,
    ])
      expect((await get(path)).status).toBe(200)
    const mine = `${CLOUD_V2_PREFIX}/accounts/v1/user/search-smart-accounts?userId=x&accountType=&roleName=&smartAccountDomain=`
    expect((await get(mine)).json.accounts.length).toBeGreaterThan(0)
  })

  it('tolerates extra slashes and capitals in a domain', async () => {
    const path = `${V1}/customer/virtual-accounts`
    const { json } = await get(path)
    expect(json.virtualAccounts.length).toBeGreaterThan(0)
    for (const other of [
      `/${path}`,
      `${path}/`,
      path.replace('/services/api', '//services/api/services/api'),
      path.replace('acme.example', 'ACME.Example'),
      `/${ONPREM}//virtual-accounts`,
    ])
      expect((await get(other)).json, other).toEqual(json)
    expect((await get(path.replace('acme', 'acne'))).status).toBe(403)
  })

  it('returns the ids of virtual accounts as text for a Python client', async () => {
    const { json } = await get(`${CLOUD_V1_PREFIX}/v2/accounts/search`)
    expect(json.status).toBe('COMPLETE')
    expect(json.accounts[0].account_id).toMatch(/^\d+$/)
    expect(json.accounts[0].virtual_accounts).toContainEqual({
      name: 'Default',
      default: true,
      virtual_account_id: expect.stringMatching(/^\d+$/),
    })
    expect((await get(`${CLOUD_V1_PREFIX}/v2/accounts/search?domain=unknown`)).json).toEqual({
      status: 'COMPLETE',
      message_code: 'NO_DATA_FOUND',
      message: expect.any(String),
    })
  })

  it('lists, creates and removes virtual accounts with encoded and plain names', async () => {
    for (const path of [
      `${V1}/customer/virtual-accounts`,
      `${V1}/CUSTOMER/virtual-accounts`,
      `${ONPREM}/virtual-accounts`,
    ])
      expect((await get(path)).json.virtualAccounts).toContainEqual({
        name: 'Default',
        description: '',
        isDefault: 'true',
        commerceAccessLevel: 'PUBLIC',
      })
    const made = await post(`${V1}/customer/virtual-accounts`, {
      name: 'New one',
      description: 'x',
      isDefault: 'false',
      commerceAccessLevel: 'PUBLIC',
    })
    expect([made.status, made.json.status]).toEqual([200, 'SUCCESS'])
    const byForm = await rest.send(`${ONPREM}/virtual-accounts`, {
      token,
      form: { name: 'By form', description: 'of a Flask application' },
    })
    expect(byForm.status).toBe(200)
    for (const name of ['New%20one', 'By%20form'])
      expect((await post(`${V1}/customer/virtual-accounts/${name}/delete`, {})).json.status).toBe('SUCCESS')
    const asDefault = await post(`${V1}/customer/virtual-accounts`, { name: 'X', isDefault: 'true' })
    expect([asDefault.status, asDefault.json.status]).toEqual([400, 'ERROR'])
    const again = await post(`${ONPREM}/virtual-accounts`, { name: 'Second' })
    expect([again.status, again.json.status]).toEqual([422, 'ERROR'])
    for (const name of ["R&D%20'Lab'", 'R%26D%20%27Lab%27'])
      expect((await get(`${V1}/virtual-accounts/${name}/devices`)).json.totalRecords).toBe(0)
  })

  it('lists the accounts of an on-premises server for an Ansible role', async () => {
    const { status, json } = await rest.send('/api/v1/upstream_satellites/accounts', {
      token,
      text: 'null',
      headers: { 'content-type': 'application/json' },
    })
    expect([status, json.accounts[0].domain]).toEqual([200, 'acme.example'])
  })

  it('paginates in the newer API family, and accepts its misspelled parameters', async () => {
    const accounts = await get(`${CLOUD_V2_PREFIX}/pnp/v2/accounts?startIdx=0&rowsPerPage=100`)
    expect(accounts.json).toMatchObject({
      status: 'COMPLETE',
      messageCode: 'DMS-SUCCESS',
      totalRows: 1,
      data: [{ companyName: 'acme.example', domainIdentifier: 'acme.example', accountIdentifier: 1 }],
    })
    const first = await get(
      `${CLOUD_V2_PREFIX}/pnp/v2/accounts/acme.example/virtual-accounts?startIdx=0&rowsPerPage=2`,
    )
    const rest_ = await get(
      `${CLOUD_V2_PREFIX}/pnp/v2/accounts/acme.example/virtual-accounts?startIdx=2&rowsPerPage=2`,
    )
    expect([first.json.totalRows, first.json.data.length, rest_.json.data.length]).toEqual([3, 2, 1])
    expect(first.json.data[0]).toMatchObject({ virtualAccountName: 'Default', default: 'true' })
    const found = await get(
      `${CLOUD_V2_PREFIX}/accounts/v1/user/search-smart-accounts?userId=ann&addVirtualAccounts=true&addRoleDipslayName=true`,
    )
    expect(found.json.accounts[0]).toMatchObject({ accountId: 1, accountDomain: 'acme.example' })
    const withoutUser = await get(`${CLOUD_V2_PREFIX}/accounts/v1/user/search-smart-accounts`)
    expect([withoutUser.status, withoutUser.json.status]).toEqual([400, 'FAILURE'])
  })
})

describe('the token API', () => {
  const tokens = (va: string) => `/virtual-accounts/${va}/tokens`

  it('creates a token for "365" days that registers a device', async () => {
    const { status, json } = await post(`/backend/api/v1/accounts/acme.example${tokens('Second')}`, {
      description: 'csr',
      expiresAfterDays: '365',
      exportControlled: 'allowed',
    })
    expect([status, json.status, json.statusMessage]).toEqual([
      200,
      'SUCCESS',
      'A valid, active token was generated.',
    ])
    expect(json.tokenInfo).toMatchObject({
      description: 'csr',
      exportControl: 'Allowed',
      createdBy: expect.stringMatching(/^[0-9a-f]{32} \(API client\)$/),
      expirationDate: new Date(world.clock.wall() + 365 * DAY).toISOString(),
    })
    const other = await world.open('other')
    await other.register(json.tokenInfo.token)
    expect(other.status().registration.virtualAccount).toBe('Second')
    // Scripts reuse the first listed token.
    const listed = await get(`${V1}${tokens('Second')}`)
    expect(listed.json.tokens).toEqual([json.tokenInfo])
  })

  it('creates and revokes a token in the newer API family', async () => {
    const path = `${CLOUD_V2_PREFIX}/licensing/v1/account/acme.example/virtual-account/Second/token`
    const { json } = await post(`${path}/create`, {
      description: '',
      expiresAfterDays: 30,
      exportControlled: 'Not Allowed',
    })
    const [info] = json.tokenInfo
    expect(info.exportControl).toBe('Not Allowed')
    const revoked = await post(`${path}/revoke`, { tokens: [info.token, 'no such'] })
    expect(revoked.json).toMatchObject({
      status: 'WARNING',
      statusMessage: '1 tokens successfully revoked.',
      tokensRevokeStatus: [{ status: 'SUCCESS' }, { status: 'ERROR' }],
    })
    const { tokens: left } = (await get(`${path}/list`)).json
    expect(left.map(({ token: text }: { token: string }) => text)).not.toContain(info.token)
  })

  it.each([0, 366, '12x', 1.5, null])('refuses a validity of %s days', async (expiresAfterDays) => {
    const { status, json } = await post(`${V1}${tokens('Default')}`, { expiresAfterDays })
    expect([status, json.status]).toEqual([400, 'ERROR'])
    expect(json.statusMessage).toContain('expiresAfterDays')
  })

  it('accepts a use limit in both spellings', async () => {
    for (const name of ['numberOfUses', 'numberofUses']) {
      const { json } = await post(`${ONPREM}${tokens('Default')}`, { expiresAfterDays: 1, [name]: 3 })
      const made = (await world.authority.tokens.list()).find(
        ({ token: text }) => text === json.tokenInfo.token,
      )
      expect(made?.maxUses).toBe(3)
    }
  })

  it('answers unauthenticated requests with 403 on on-premises paths, and with 401 elsewhere', async () => {
    expect((await rest.send(`${ONPREM}${tokens('Default')}`)).status).toBe(403)
    expect((await rest.send(`/backend${ONPREM}${tokens('Default')}`)).status).toBe(403)
    expect((await rest.send(`${V1}${tokens('Default')}`)).status).toBe(401)
  })
})

describe('the license API', () => {
  it('accepts a limit alone, virtual accounts alone, or no parameters', async () => {
    for (const body of [
      { limit: -1 },
      { limit: '-1' },
      { virtualAccounts: ['Default'] },
      { virtualAccounts: [] },
      {},
    ]) {
      const { json } = await post(`${ONPREM}/licenses`, body)
      expect(json.licenses[0]).toMatchObject({
        license: 'Host License',
        virtualAccount: 'Default',
        quantity: 20,
        inUse: 4,
        available: 16,
        status: 'In Compliance',
        billingType: 'PREPAID',
        reserved: 0,
        isPortable: false,
        ahaApps: false,
        licenseSubstitutions: [],
      })
    }
    const nothing = await rest.send(`${V1}/licenses`, { token, method: 'POST' })
    expect([nothing.status, nothing.json.totalRecords]).toEqual([200, 2])
    const page = await post(`${V1}/licenses`, { limit: 1, offset: 1 })
    expect([page.json.totalRecords, page.json.licenses.length]).toEqual([2, 1])
    const unknown = await post(`${V1}/licenses`, { virtualAccounts: ['Nowhere'] })
    expect([unknown.status, unknown.json.status]).toEqual([400, 'ERROR'])
  })

  it('accepts a single virtual account in a form', async () => {
    const form = { virtualAccounts: 'Default', limit: '-1' }
    const { status, json } = await rest.send(`${V1}/licenses`, { token, form })
    expect([status, json.licenses[0].virtualAccount]).toEqual([200, 'Default'])
    const alerts = await rest.send(`${V1}/alerts`, { token, form: { severity: 'Major' } })
    expect(alerts.status).toBe(200)
  })

  it('reports the status Out Of Compliance', async () => {
    device.setUsage('HOST', 24)
    world.clock.advance(60_000)
    device.tick()
    await device.idle()
    expect((await post(`${ONPREM}/licenses`, {})).json.licenses[0].status).toBe('Out Of Compliance')
    const alerts = await post(`${ONPREM}/alerts`, { limit: -1 })
    expect(alerts.json.alerts[0]).toMatchObject({
      severity: 'Major',
      messageType: 'Insufficient Licenses',
      license: 'Host License',
      sourceType: 'Virtual Account',
      source: 'Default',
      actionDue: 'Now',
    })
    const minor = await post(`${CLOUD_V2_PREFIX}/licensing/v1/account/acme.example/get-alerts`, {
      severity: ['Minor'],
    })
    expect(minor.json.alerts.every(({ severity }: { severity: string }) => severity === 'Minor')).toBe(true)
    device.setUsage('HOST', 4)
    world.clock.advance(12 * 3_600_000)
    device.tick()
    await device.idle()
    ;({ token } = await rest.clientToken())
  })

  it('returns the quantities of subscriptions as text', async () => {
    const { json } = await post(`${V1}/license-subscriptions`, { virtualAccounts: ['Default'] })
    expect(json.licenseSubscriptions).toEqual([
      {
        virtualAccount: 'Default',
        license: 'Extended Capacity',
        billingType: 'PREPAID',
        quantity: '5',
        startDate: '2027-Jan-01',
        endDate: expect.stringMatching(/^2027-Apr-0\d$|^2027-Mar-\d\d$/),
        status: 'Active',
        subscriptionId: expect.any(String),
      },
    ])
    const expired = await post(
      `${CLOUD_V2_PREFIX}/licensing/v1/account/acme.example/licenses/subscription-usage`,
      {
        status: 'Expired',
      },
    )
    expect(expired.json.totalRecords).toBe(0)
  })

  it('transfers up to 998 items, and reports partial success as WARNING', async () => {
    const part = { license: 'Host License', licenseType: 'PERPETUAL', targetVirtualAccount: 'Second' }
    const path = `${V1}/virtual-accounts/Default/licenses/transfer`
    const good = await post(path, {
      licenses: [{ ...part, quantity: '2', precedence: 'LONGEST_TERM_FIRST' }],
    })
    expect(good.json).toEqual({
      status: 'SUCCESS',
      statusMessage: '1 licenses transferred successfully',
      licensesTransferStatus: [{ status: 'SUCCESS', statusMessage: expect.any(String) }],
    })
    const mixed = await post(path, {
      licenses: [
        { ...part, quantity: 1 },
        { ...part, quantity: 1000 },
      ],
    })
    expect([mixed.status, mixed.json.status]).toEqual([200, 'WARNING'])
    expect(mixed.json.licensesTransferStatus.map(({ status }: { status: string }) => status)).toEqual([
      'SUCCESS',
      'ERROR',
    ])
    const [subscription] = (await post(`${V1}/license-subscriptions`, {})).json.licenseSubscriptions
    const item = {
      license: subscription.license,
      licenseType: 'TERM',
      quantity: 1,
      targetVirtualAccount: 'Second',
      startDate: subscription.startDate,
      endDate: subscription.endDate,
    }
    const wrong = await post(path, { licenses: [{ ...item, subsriptionId: 'another' }] })
    expect(wrong.json.status).toBe('ERROR')
    const right = await post(path, { licenses: [{ ...item, subsriptionId: subscription.subscriptionId }] })
    expect(right.json.status).toBe('SUCCESS')
    const many = await post(path, {
      licenses: Array.from({ length: 998 }, () => ({ ...part, license: 'no such', quantity: 1 })),
    })
    expect([many.status, many.json.status, many.json.licensesTransferStatus.length]).toEqual([
      200,
      'ERROR',
      998,
    ])
    const pools = (await world.authority.licenses.list()).filter(({ tag }) => tag === 'HOST')
    expect(pools.map(({ virtualAccount, quantity }) => [virtualAccount, quantity])).toEqual([
      ['Default', 17],
      ['Second', 3],
    ])
  })

  it('ignores empty fields and the case of keywords', async () => {
    const part = { license: 'HOST', quantity: 1, targetVirtualAccount: 'Second', startDate: '', endDate: '' }
    const { json } = await post(`${V1}/virtual-accounts/Default/licenses/transfer`, {
      licenses: [
        { ...part, licenseType: '', precedence: '', subsriptionId: '' },
        { ...part, licenseType: 'Perpetual', precedence: 'Longest_Term_First' },
      ],
    })
    expect(json).toMatchObject({ status: 'SUCCESS', statusMessage: '2 licenses transferred successfully' })
    const back = { ...part, quantity: 2, targetVirtualAccount: 'Default' }
    expect(
      (await post(`${V1}/virtual-accounts/Second/licenses/transfer`, { licenses: [back] })).json.status,
    ).toBe('SUCCESS')
    const unknown = await post(`${V1}/virtual-accounts/Default/licenses/transfer`, {
      licenses: [{ ...part, licenseType: 'RENTED' }],
    })
    expect(unknown.status).toBe(400)
    const token = { expiresAfterDays: 30, exportControlled: '' }
    expect((await post(`${V1}/virtual-accounts/Default/tokens`, token)).json.tokenInfo.exportControl).toBe(
      'Not Allowed',
    )
  })

  it('refuses a transfer that puts a pool out of compliance', async () => {
    const { json } = await post(`${V1}/virtual-accounts/Default/licenses/transfer`, {
      licenses: [{ license: 'HOST', licenseType: 'PERPETUAL', quantity: 17, targetVirtualAccount: 'Second' }],
    })
    expect(json.status).toBe('ERROR')
    expect(json.licensesTransferStatus[0].statusMessage).toMatch(/out of compliance\. Transfer fewer/)
  })

  it('explains failed transfers and revocations without naming CLI commands', async () => {
    const part = { license: 'SYS-XL', quantity: 1, targetVirtualAccount: 'Second' }
    const moved = await post(`${V1}/virtual-accounts/Default/licenses/transfer`, {
      licenses: [
        { ...part, licenseType: 'PERPETUAL' },
        { ...part, quantity: 1000 },
        { ...part, targetVirtualAccount: 'None' },
      ],
    })
    const revoked = await post(`${V1}/virtual-accounts/Default/tokens/revoke`, { tokens: ['none'] })
    const statuses = [...moved.json.licensesTransferStatus, ...revoked.json.tokensRevokeStatus].map(
      ({ statusMessage }: { statusMessage: string }) => statusMessage,
    )
    expect(statuses).toHaveLength(4)
    expect(statuses[0]).toContain('Default has 0 of the requested type and term')
    for (const message of statuses) expect(message).not.toMatch(/`|--/)
  })

  it('treats a null limit as absent, and lists the allowed keywords', async () => {
    const { status, json } = await post(`${V1}/licenses`, {
      virtualAccounts: null,
      limit: null,
      offset: null,
    })
    expect([status, json.status]).toEqual([200, 'SUCCESS'])
    expect((await post(`${V1}/license-subscriptions`, { limit: null })).status).toBe(200)
    const token = { expiresAfterDays: 30, exportControlled: true }
    expect((await post(`${V1}/virtual-accounts/Default/tokens`, token)).json.statusMessage).toContain(
      '"Allowed" or "Not Allowed"',
    )
  })

  it('returns summaries of the accounts named in headers', async () => {
    const headers = async () => {
      const [account] = (await get(`${CLOUD_V1_PREFIX}/v2/accounts/search`)).json.accounts
      const virtual = account.virtual_accounts.find(({ name }: { name: string }) => name === 'Default')
      return {
        'X-CSW-SMART-ACCOUNT-ID': account.account_id as string,
        'X-CSW-VIRTUAL-ACCOUNT-ID': virtual.virtual_account_id as string,
        'X-CSW-REQUESTING-SYSTEM': '{"display_name":"a client"}',
      }
    }
    const data = { timestamp: 1_700_000_000_000, nonce: 'a nonce', tags: [] }
    const v2 = await post(`${CLOUD_V2_PREFIX}/licensing/v2/get-summary`, { data }, await headers())
    expect(v2.json).toMatchObject({ status: 'SUCCESS', nonce: 'a nonce', out_standing_reports: 0 })
    expect(v2.json.summary[0]).toMatchObject({
      tag: 'HOST',
      entitled: 17,
      future_entitled: 0,
      inuse: 4,
      reserved: 0,
      compliance_status: 'In Compliance',
      display_name: 'Host License',
      enforced: false,
      export_restricted: false,
    })
    const numbered = { data: { ...data, nonce: 1234567 } }
    expect(
      (await post(`${CLOUD_V2_PREFIX}/licensing/v2/get-summary`, numbered, await headers())).json.nonce,
    ).toBe(1234567)
    const v3 = await post(
      `${CLOUD_V1_PREFIX}/v3/licenses/summary`,
      { data: { ...data, tags: ['HOST'] } },
      await headers(),
    )
    expect(v3.json.summary).toHaveLength(1)
    expect(v3.json.summary[0]).toMatchObject({ prepaid_entitled: 17, prepaid_inuse: 4 })
    const { 'X-CSW-VIRTUAL-ACCOUNT-ID': _, ...whole } = await headers()
    const all = await post(
      `${CLOUD_V2_PREFIX}/licensing/v2/get-summary`,
      { data: { ...data, tags: ['HOST'] } },
      whole,
    )
    expect(all.json.summary[0].entitled).toBe(20)
    const nowhere = await post(`${CLOUD_V2_PREFIX}/licensing/v2/get-summary`, { data })
    expect([nowhere.status, nowhere.json.status]).toEqual([400, 'FAILED'])
    const foreign = await post(
      `${CLOUD_V2_PREFIX}/licensing/v2/get-summary`,
      { data },
      { ...(await headers()), 'X-CSW-SMART-ACCOUNT-ID': '999' },
    )
    expect([foreign.status, foreign.text]).toEqual([403, ''])
    const history = await post(
      `${CLOUD_V2_PREFIX}/licensing/v2/get-history`,
      { timestamp: 1, nonce: 'n', fromDate: '01-JAN-2027', toDate: '31-JAN-2027' },
      await headers(),
    )
    const hosts = history.json.data.find(({ tag }: { tag: string }) => tag === 'HOST')
    expect(hosts.history[0].date).toBe('01-JAN-2027')
    expect(hosts.history[0].events.map(({ type }: { type: string }) => type)).toContain(
      'INSUFFICIENT_LICENSES',
    )
  })
})

describe('the device API', () => {
  const sudi = {
    suvi: null,
    uuid: null,
    hostIdentifier: null,
    udiPid: 'CWMS-K9',
    udiSerialNumber: 'DEVICE',
    udiVid: null,
    macAddress: null,
  }

  it('lists devices by virtual account, smart account and name, and searches by serial number', async () => {
    const brief = { instanceName: expect.any(String), productTagName: 'conferencing', sudi }
    expect((await get(`${ONPREM}/virtual-accounts/Default/devices`)).json).toMatchObject({
      totalRecords: 1,
      devices: [brief],
    })
    const all = await post(`${V1}/devices`, { virtualAccounts: ['Default'], limit: 50, offset: 0 })
    expect(all.json.devices).toEqual([
      expect.objectContaining({
        displayName: 'UDI_PID:CWMS-K9; UDI_SN:DEVICE; ',
        sudi,
        virtualAccount: 'Default',
        status: 'In Compliance',
        licenseUsage: [{ license: 'Host License', quantity: 4 }],
      }),
    ])
    const path = `${CLOUD_V2_PREFIX}/licensing/v2/accounts/acme.example/devices`
    const found = await get(`${path}?virtualAccountName=Default&instanceName=DEVICE&limit=50&offset=0`)
    expect(found.json).toMatchObject({ status: 'SUCCESS', devices: [brief] })
    const none = await get(`${path}?virtualAccountName=Default&instanceName=UNKNOWN&limit=50&offset=0`)
    expect(none.json).toMatchObject({ status: 'SUCCESS', devices: [] })
    const anywhere = await get(`${CLOUD_V2_PREFIX}/licensing/v2/device/search?udi_serial_number=DEVICE`)
    expect(anywhere.json.status).toBe('COMPLETE')
    expect(anywhere.json.data).toEqual([
      {
        sudi,
        software_tag: 'conferencing',
        account: {
          name: 'acme.example',
          domain: 'acme.example',
          account_id: expect.any(Number),
          virtual_account_name: 'Default',
          virtual_account_id: expect.any(Number),
          default: true,
        },
      },
    ])
  })

  it('transfers devices in the cloud and on-premises families', async () => {
    const move = (base: string, from: string, targetVirtualAccount: string) =>
      post(`${base}/virtual-accounts/${from}/devices/transfer`, {
        productInstances: [{ sudi, productTagName: 'conferencing', targetVirtualAccount }],
      })
    // The transfer would exceed the licenses of the target.
    expect((await move(V1, 'Default', "R&D 'Lab'")).json).toMatchObject({
      status: 'ERROR',
      productInstancesTransferStatus: [{ status: 'ERROR' }],
    })
    await world.authority.licenses.transfer({ tag: 'HOST', quantity: 4, from: 'Default', to: "R&D 'Lab'" })
    await world.authority.licenses.transfer({ tag: 'HOST', quantity: 4, from: 'Default', to: 'Second' })
    expect((await move(V1, 'Default', "R&D 'Lab'")).json.status).toBe('SUCCESS')
    expect((await move(`/backend${ONPREM}`, "R&D%20'Lab'", 'Second')).json.status).toBe('SUCCESS')
    expect((await move(ONPREM, 'Default', 'Second')).json.status).toBe('ERROR')
  })

  it('removes devices with either spelling of the parameter', async () => {
    const path = `${CLOUD_V1_PREFIX}/v2/accounts/acme.example/virtual-accounts/Second/devices/remove`
    const request = { sudi, productTagName: 'conferencing' }
    const removed = await post(path, { productInstacesRemoveRequests: [request] })
    expect(removed.json).toMatchObject({
      status: 'SUCCESS',
      removeProductInstancesStatus: [{ status: 'SUCCESS', device: 'udiPid:CWMS-K9 udiSerialNumber:DEVICE' }],
    })
    const again = await post(path, {
      productInstacesRemoveRequests: [request],
      productInstancesRemoveRequests: [request],
    })
    expect([again.status, again.json.status]).toEqual([200, 'ERROR'])
    const other = { productInstacesRemoveRequests: [], productInstancesRemoveRequests: [request] }
    expect((await post(path, other)).json.removeProductInstancesStatus).toHaveLength(1)
    expect((await post(path, {})).status).toBe(400)
    const nowhere = `${CLOUD_V2_PREFIX}/licensing/v3/accounts/acme.example/devices/remove?virtualAccountName=None`
    expect((await post(nowhere, { productInstancesRemoveRequests: [request] })).status).toBe(404)
  })
})

describe('the reservation API', () => {
  it('reserves, updates, confirms and returns licenses of a device', async () => {
    const airGapped = await world.open('sealed')
    const request = await airGapped.reservation.request()
    const va = `${CLOUD_V1_PREFIX}/v2/accounts/acme.example/virtual-accounts/Default`
    const reserve = (quantity: string) =>
      post(`${va}/reserve-licenses`, {
        reservationRequests: [
          {
            reservationCode: request,
            reservationType: 'SPECIFIC',
            licenses: [{ entitlementTag: 'HOST', quantity, precedence: 'LONGEST_TERM_FIRST' }],
          },
        ],
      })
    const reserved = await reserve('3')
    // A repeated request gets the same answer. The same code with another quantity is refused.
    const again = (await reserve('3')).json.authorizationCodes[0]
    expect([again.status, again.licenses]).toEqual(['SUCCESS', reserved.json.authorizationCodes[0].licenses])
    const other = (await reserve('4')).json.authorizationCodes[0]
    expect([other.status, other.authorizationCode]).toEqual(['ERROR', null])
    expect(await world.authority.reservations.list()).toHaveLength(1)
    expect(reserved.json).toMatchObject({
      status: 'SUCCESS',
      statusMessage: '1 reservation requests processed successfully',
      authorizationCodes: [
        {
          status: 'SUCCESS',
          statusMessage: 'Authorization code generated successfully',
          reservationCode: request,
          productInstance: 'UDI_PID:CWMS-K9; UDI_SN:SEALED',
          licenses: [{ name: 'Host License', quantity: 3, licenseType: 'PERPETUAL', endDate: null }],
        },
      ],
    })
    await airGapped.reservation.install(reserved.json.authorizationCodes[0].authorizationCode)
    expect(airGapped.status().state).toBe('reserved')
    const { sudi } = reserved.json.authorizationCodes[0]

    const updateRequest = {
      sudi,
      productTagName: 'conferencing',
      licenses: [{ entitlementTag: 'HOST', quantity: 2 }],
    }
    const updated = await post(`${va}/update-slr`, { reservationUpdateRequests: [updateRequest] })
    expect(updated.json.status).toBe('SUCCESS')
    const update = (quantity: number) =>
      post(
        `${CLOUD_V2_PREFIX}/licensing/v2/accounts/acme.example/licenses/update?virtualAccountName=Default`,
        {
          reservationUpdateRequests: [{ ...updateRequest, licenses: [{ entitlementTag: 'HOST', quantity }] }],
        },
      )
    const second = await update(1)
    expect([second.json.status, second.json.autorizationCodes[0].authorizationCode]).toEqual(['ERROR', null])
    const repeated = await update(2)
    expect(repeated.json.status).toBe('SUCCESS')

    const { reservation } = await airGapped.reservation.update(
      repeated.json.autorizationCodes[0].authorizationCode,
    )
    const confirm = { sudi, productTagName: 'conferencing', confirmationCode: reservation.confirmationCode }
    const confirmed = await post(
      `${CLOUD_V2_PREFIX}/licensing/v2/accounts/acme.example/licenses/confirm?virtualAccountName=Default`,
      { reservationConfirmationRequests: [confirm] },
    )
    expect(confirmed.json).toMatchObject({
      status: 'SUCCESS',
      data: {
        status: 'SUCCESS',
        statusMessage: 'Update confirmed',
        confirmation_code: reservation.confirmationCode,
        sudi,
      },
    })

    const remove = `${CLOUD_V2_PREFIX}/licensing/v3/accounts/acme.example/devices/remove?virtualAccountName=Default`
    const device = { sudi, productTagName: 'conferencing' }
    const without = await post(remove, { productInstancesRemoveRequests: [device] })
    expect(without.json.status).toBe('ERROR')
    const returnCode = await airGapped.reservation.returnCode()
    const returned = await post(remove, { productInstancesRemoveRequests: [{ ...device, returnCode }] })
    expect(returned.json).toMatchObject({
      status: 'SUCCESS',
      removeProductInstancesStatus: [{ status: 'SUCCESS' }],
    })
    expect(await world.authority.reservations.list()).toEqual([])
  })

  it('lists an error for each code when nothing can be reserved', async () => {
    const { status, json } = await post(`${V1}/virtual-accounts/Default/reserve-licenses`, {
      reservationRequests: [
        { reservationCode: 'CE-ZX:Y-Z-1', reservationType: 'UNIVERSAL' },
        { reservationCode: 'no code', licenses: [{ entitlementTag: 'HOST', quantity: 0 }] },
        { reservationCode: 'no code', licenses: [{ entitlementTag: 'HOST', quantity: 1 }] },
      ],
    })
    expect([status, json.status, json.authorizationCodes.length]).toEqual([200, 'ERROR', 3])
    for (const code of json.authorizationCodes)
      expect([code.status, code.authorizationCode, code.statusMessage.length > 10]).toEqual([
        'ERROR',
        null,
        true,
      ])
  })

  it('reserves from several virtual accounts, and reports success and errors separately', async () => {
    const bulk = await world.open('bulk')
    const { json } = await post(
      `${CLOUD_V2_PREFIX}/licensing/v2/account/acme.example/licenses/reserve-bulk`,
      {
        virtualAccounts: [
          {
            name: 'Default',
            reservationRequests: [
              {
                reservationCode: await bulk.reservation.request(),
                reservationType: 'SPECIFIC',
                licenses: [{ entitlementTag: 'HOST', quantity: 1 }],
              },
            ],
          },
          { name: 'Second', reservationRequests: [{ reservationCode: 'x', licenses: [] }] },
        ],
        forSingleVirtualAccount: false,
      },
    )
    expect([json.status, json.authorizationCodes.map(({ status }: { status: string }) => status)]).toEqual([
      'WARNING',
      ['SUCCESS', 'ERROR'],
    ])
  })

  it('lists entitlement tags by the software tag of devices', async () => {
    const { json } = await post(`${CLOUD_V2_PREFIX}/licensing/v1/search-slr-details`, {
      softwareTags: ['conferencing', 'unknown'],
    })
    expect(json.status).toBe('SUCCESS')
    expect(json.data[0].entitlements).toContainEqual({
      type: 'SPECIFIC',
      entitlementTag: 'HOST',
      Export: 'False',
      UDI_PID: null,
    })
    expect(json.data).toHaveLength(1)
  })
})

describe('the audit log of the API', () => {
  it('records the client, action and outcome', async () => {
    const auditEntries = await world.authority.security.users.auditEntries(1000)
    const transfer = auditEntries.find(({ action }) => action === 'api licenses-transfer')
    expect(transfer).toMatchObject({ who: expect.stringMatching(/^[0-9a-f]{32} \(API client\)$/) })
    expect(auditEntries.map(({ action, outcome }) => `${action}: ${outcome}`)).toEqual(
      expect.arrayContaining([
        'api licenses-transfer: done in part',
        'api virtual-account-create: done',
        'api token-create: done',
        'api tokens: PERMISSION_DENIED',
        'api access-token: done',
      ]),
    )
  })
})
