// Measures the longest stall of the event loop of each call that reads a list, with a large account. Prints a table.
//   node bench/lists.mjs [--instances N] [--keep DIRECTORY] [PATTERN]
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { Authority } from '../dist/src/authority/index.js'
import { fillLargeAccount } from './large-account.mjs'
import { start, stop, ask } from './servers.mjs'
import { signIn } from './viewers.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    instances: { type: 'string', default: '100000' },
    keep: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
})
const pattern = positionals[0] ?? ''
const directory = values.keep ?? mkdtempSync(join(tmpdir(), 'sla-lists-'))
const dataDir = join(directory, 'authority')
if (!existsSync(dataDir)) {
  mkdirSync(directory, { recursive: true })
  await Authority.init({ dataDir, account: 'bench.example', acceptAgreement: true })
  const authority = await Authority.open({ dataDir })
  await authority.orders.create({ tag: 'HOST', quantity: 1_000_000 })
  await authority.tokens.create({ days: 30 })
  await authority.close()
  const number = Number(values.instances)
  fillLargeAccount(dataDir, { instances: number })
}
const server = await start('console', { dataDir })
const { port } = server

function send(path, { body, headers = {}, method = body === undefined ? 'GET' : 'POST' }) {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        rejectUnauthorized: false,
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      },
      (response) => {
        let bytes = 0
        let text = ''
        response.on('data', (chunk) => {
          bytes += chunk.length
          if (text.length < 2000) text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode, bytes, text }))
        response.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? '' : JSON.stringify(body))
  })
}

const headers = await signIn(server)
const rest = { authorization: `Bearer ${server.accessToken}` }
const V1 = '/services/api/smart-accounts-and-licensing/v1'
const V2 = '/v1/software/apis'
const account = `${V1}/accounts/bench.example`
const page = (call) => ['page', `/api/v1/${call}`, undefined]
const calls = [
  page('overview'),
  page('virtual-accounts'),
  page('instances?limit=1'),
  page('instances?limit=50'),
  page('instances?limit=1000'),
  page('instances?limit=50&skip=90000'),
  page('instances?limit=50&virtualAccount=Default'),
  page('instances?limit=50&virtualAccount=Default&skip=30000'),
  page('instances?limit=50&search=sn-00999'),
  page('instances?limit=50&search=nothing-like-it'),
  page('instances?limit=50&search=host'),
  page('licenses'),
  page('licenses?virtualAccount=Default'),
  page('license-transactions'),
  page('license-transactions?virtualAccount=Default'),
  page('alerts?limit=1'),
  page('alerts?limit=100'),
  page('alerts?limit=100&skip=9000'),
  page('alerts?limit=100&virtualAccount=Default'),
  page('events'),
  page('events?limit=1000'),
  page('events?severity=minor'),
  page('events?severity=major&virtualAccount=Branch%20010'),
  page('events?virtualAccount=nothing'),
  page('events?instanceId=nothing'),
  page('events-csv'),
  page('tokens'),
  page('orders'),
  page('satellites'),
  page('users'),
  page('notifications'),
  page('mail'),
  page('report?kind=licenses'),
  page('report?kind=instances'),
  page('report?kind=usage'),
  page('report-csv?kind=licenses'),
  page('report-csv?kind=instances'),
  page('report-csv?kind=usage'),
  ['rest', `${V1}/accounts`, undefined],
  ['rest', `${account}/virtual-accounts`, undefined],
  ['rest', `${account}/virtual-accounts/Default/devices?limit=50`, undefined],
  ['rest', `${account}/virtual-accounts/Default/devices?limit=-1`, undefined],
  ['rest', `${account}/devices`, { limit: 1 }],
  ['rest', `${account}/devices`, { limit: 1000, offset: 50_000 }],
  ['rest', `${account}/devices`, { limit: -1 }],
  ['rest', `${V2}/licensing/v2/accounts/bench.example/devices?instanceName=sn-00999`, undefined],
  ['rest', `${V2}/licensing/v2/device/search?udi_serial_number=SN-0050000`, undefined],
  [
    'rest',
    `${account}/virtual-accounts/Default/devices/remove`,
    { productInstacesRemoveRequests: [{ sudi: { udiPid: 'X', udiSerialNumber: 'none' } }] },
  ],
  ['rest', `${account}/alerts`, { limit: 50 }],
  ['rest', `${account}/alerts`, { limit: -1 }],
  ['rest', `${account}/licenses`, { limit: 50 }],
  ['rest', `${account}/license-subscriptions`, {}],
  ['rest', `${account}/virtual-accounts/Default/tokens`, undefined],
  ['metrics', 'stats', undefined],
  ['background', 'background', undefined],
]

const table = new Table({
  head: ['call', 'longest stall', 'busiest turn', 'until the answer', 'answer'],
  style: { head: [], border: [], compact: true },
})
for (const [kind, path, body] of calls) {
  const name = `${kind} ${path.split('/').slice(-3).join('/')}${body ? ` ${JSON.stringify(body).slice(0, 40)}` : ''}`
  if (!name.includes(pattern)) continue
  const times = { stall: Infinity, busy: Infinity, took: Infinity }
  let answer
  for (let round = 0; round < Number(values.rounds); round++) {
    await ask(server, 'stall')
    const begun = performance.now()
    if (kind === 'metrics' || kind === 'background') answer = await ask(server, path)
    else answer = await send(path, { body, headers: kind === 'page' ? headers : rest })
    times.took = Math.min(times.took, performance.now() - begun)
    const { stall, busy } = await ask(server, 'stall')
    times.stall = Math.min(times.stall, stall)
    times.busy = Math.min(times.busy, busy)
  }
  console.error(name, times)
  table.push([
    name,
    `${times.stall.toFixed(0)} ms`,
    `${times.busy.toFixed(0)} ms`,
    `${times.took.toFixed(0)} ms`,
    answer.status === undefined
      ? ''
      : `${answer.status}, ${(answer.bytes / 1000).toFixed(0)} kB${answer.status === 200 ? '' : ` ${answer.text.slice(0, 80)}`}`,
  ])
}
console.log(table.toString())
await stop(server)
if (values.keep === undefined) rmSync(directory, { recursive: true, force: true })
process.exit()
