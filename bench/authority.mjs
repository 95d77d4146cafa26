// The authority under load: authorizations and registrations a second, beside the floor of the same run.
//   npm run bench:authority [-- quick]
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { Authority } from '../dist/src/authority/index.js'
import { readRoots, thumbprint } from '../dist/src/trust/chain.js'
import { Database } from '../dist/src/trust/sqlite.js'
import { authorization, floorRequest, hammer, newBox, registration } from './load.mjs'

const quick = process.argv.includes('quick')
const SECONDS = quick ? 3 : 8
const BOXES = 64
const NEW_BOXES = quick ? 1000 : 4000
const directory = mkdtempSync(join(tmpdir(), 'sla-bench-'))
const table = new Table({
  head: ['what', 'measured', 'p50', 'p99', 'floor', 'ratio', 'aim'],
  style: { head: [], border: [], compact: true },
})
const perSecond = (n) => `${Math.round(n).toLocaleString('en')} /s`
const ms = (n) => `${n.toFixed(1)} ms`
const row = (what, one, floor, aim) =>
  table.push([
    what,
    perSecond(one.rate),
    ms(one.p50),
    ms(one.p99),
    perSecond(floor.rate),
    (one.rate / floor.rate).toFixed(2),
    aim,
  ])

const children = []
function start(kind, options) {
  const child = fork(new URL('serve.mjs', import.meta.url).pathname, [kind, JSON.stringify(options)])
  children.push(child)
  return new Promise((resolve, reject) => {
    child.once('message', (told) => resolve({ child, ...told }))
    child.once('exit', () => reject(new Error(`${kind} did not start`)))
  })
}
const stop = ({ child }) =>
  new Promise((resolve) => {
    child.once('exit', resolve)
    child.disconnect()
  })
const memoryOf = ({ child }) =>
  new Promise((resolve) => {
    child.once('message', ({ memory }) => resolve(memory))
    child.send('memory')
  })

async function newAuthority(name, database) {
  const dataDir = join(directory, name)
  await Authority.init({ dataDir, account: 'bench.example', acceptAgreement: true, database })
  const authority = await Authority.open({ dataDir })
  await authority.order({ tag: 'HOST', quantity: 1_000_000 })
  const tokens = []
  for (let i = 0; i < 10; i++) tokens.push((await authority.createToken({ days: 30 })).token)
  const root = thumbprint(readRoots(authority.trustAnchor())[0])
  await authority.close()
  return { dataDir, tokens, root }
}

/** Each of some boxes registers, once. */
function registrations(boxes, { tokens, root }) {
  let next = 0
  return async () => {
    const i = next++
    return boxes[i] && registration(boxes[i], { token: tokens[i % tokens.length], root })
  }
}

const boxes = []
for (let i = 0; i < BOXES; i++) boxes.push(await newBox(`FLOOR-${i}`))
const keys = Object.fromEntries(
  await Promise.all(
    boxes.map(async ({ key, serial }) => {
      const { createPublicKey } = await import('node:crypto')
      return [
        serial,
        createPublicKey(key.export({ type: 'pkcs8', format: 'pem' }))
          .export({ type: 'spki', format: 'der' })
          .toString('base64'),
      ]
    }),
  ),
)

async function measure(name, servers, facts) {
  const ports = servers.map(({ port }) => port)
  const fresh = []
  for (let i = 0; i < NEW_BOXES; i++) fresh.push(await newBox(`${name}-${i}`))
  const registered = await hammer(boxes, ports, registrations(fresh, facts), 600_000)
  const some = fresh.slice(0, BOXES)
  await hammer(some, ports, (box) => authorization(box), 1000)
  for (const box of some) box.sequence++
  // (the last of each was made and not sent)
  const before = await memoryOf(servers[0])
  const authorized = await hammer(some, ports, (box) => authorization(box), SECONDS * 1000)
  const after = await memoryOf(servers[0])
  return { registered, authorized, before, after }
}

const floorServer = await start('floor', { keys, database: join(directory, 'floor.db') })
await hammer(boxes, [floorServer.port], floorRequest, 1000)
const floor = await hammer(boxes, [floorServer.port], floorRequest, SECONDS * 1000)
await stop(floorServer)

const facts = await newAuthority('sqlite')
const server = await start('authority', { dataDir: facts.dataDir })
const onSqlite = await measure('SQLITE', [server], facts)
row('authorizations, SQLite', onSqlite.authorized, floor, '0.7')
row('registrations, SQLite', onSqlite.registered, floor, '')
await stop(server)

console.log(table.toString())
console.log(
  `memory of the authority before and after ${onSqlite.authorized.requests} authorizations: ${(onSqlite.before / 2 ** 20).toFixed()} and ${(onSqlite.after / 2 ** 20).toFixed()} MiB`,
)
for (const child of children) child.kill('SIGKILL')
rmSync(directory, { recursive: true, force: true })
