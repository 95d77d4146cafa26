// Runs a measured server in its own process. `floor` does only TLS, JSON, one signature verification, one signature and one
// durable commit per request, with batched writes. `tls` only answers. `authority` is a real authority.
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { createServer } from 'node:https'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { loadDatabase } from '../dist/src/storage/sqlite.js'
import { createSelfSigned, toTlsOptions } from '../dist/src/pki/certificate-generation.js'

const Database = await loadDatabase()

const [kind, options] = [process.argv[2], JSON.parse(process.argv[3])]

async function floor({ keys, database, postgres }) {
  const known = new Map(
    Object.entries(keys).map(([device, der]) => [
      device,
      createPublicKey({ key: Buffer.from(der, 'base64'), format: 'der', type: 'spki' }),
    ]),
  )
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const write = postgres ? await inPostgres(postgres) : inSqlite(database)
  const day = 86_400_000
  const dates = { notBefore: Date.now() - day, notAfter: Date.now() + day }
  const tls = await createSelfSigned({
    name: 'localhost',
    account: 'x',
    authorityId: 'y',
    hosts: ['localhost'],
    ...dates,
  })
  const server = createServer(
    { cert: tls.certificates[0], key: tls.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
    (request, response) => {
      let text = ''
      request.setEncoding('utf8')
      request.on('data', (data) => (text += data))
      request.on('end', async () => {
        const { device, payload, signature } = JSON.parse(text)
        const good = verify(
          'sha256',
          Buffer.from(payload),
          { key: known.get(device), dsaEncoding: 'ieee-p1363' },
          Buffer.from(signature, 'base64url'),
        )
        if (!good) throw new Error('invalid signature')
        await write(device, payload)
        const answer = sign('sha256', Buffer.from(payload), { key: privateKey, dsaEncoding: 'ieee-p1363' })
        const body = JSON.stringify({ payload, signature: answer.toString('base64url') })
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        })
        response.end(body)
      })
    },
  )
  server.listen(0, '127.0.0.1', () => {
    process.send({ port: server.address().port, ca: tls.certificates[0] })
  })
}

/** Batches the commits that wait while another one is written. */
function batchCommits(commit) {
  let waiting = []
  let busy = false
  const work = async () => {
    busy = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await commit(batch)
      for (const { resolve } of batch) resolve()
    }
    busy = false
  }
  return (device, payload) =>
    new Promise((resolve) => {
      waiting.push({ device, payload, resolve })
      if (!busy) setImmediate(work)
    })
}

function inSqlite(path) {
  const database = new Database(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('create table if not exists devices (id text primary key, payload text)')
  const insert = database.prepare(
    'insert into devices values (?, ?) on conflict (id) do update set payload = excluded.payload',
  )
  return batchCommits((batch) => {
    database.transaction(() => {
      for (const { device, payload } of batch) insert.run(device, payload)
    })()
  })
}

async function inPostgres(url) {
  const { default: pg } = await import('pg')
  const client = new pg.Client(url)
  await client.connect()
  await client.query('create table if not exists devices (id text primary key, payload text)')
  return batchCommits(async (batch) => {
    const values = batch.map((_, i) => `($${2 * i + 1}, $${2 * i + 2})`).join()
    await client.query(
      `insert into devices values ${values} on conflict (id) do update set payload = excluded.payload`,
      batch.flatMap(({ device, payload }) => [device, payload]),
    )
  })
}

/** Serves TLS with a fixed answer, which is the minimum cost of a new client. */
async function tls() {
  const day = 86_400_000
  const certificate = await createSelfSigned({
    name: 'localhost',
    account: 'x',
    authorityId: 'y',
    hosts: ['localhost'],
    notBefore: Date.now() - day,
    notAfter: Date.now() + day,
  })
  const server = createServer(toTlsOptions(certificate), (request, response) => {
    request.resume()
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 })
      response.end('{}')
    })
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    process.send({ port: server.address().port, ca: certificate.certificates[0] })
  })
}

async function authority({ dataDir }) {
  const { Authority } = await import('../dist/src/authority/index.js')
  const open = await Authority.open({ dataDir })
  const url = await open.listen({ host: '127.0.0.1', port: 0 })
  process.send({ port: Number(new URL(url).port), ca: open.trustAnchor() })
}

/** Serves an authority with its web console and the REST API. */
async function withConsole({ dataDir }) {
  const { Authority } = await import('../dist/src/authority/index.js')
  const { createManagerConsole } = await import('../dist/src/console/authority-console.js')
  const { RestApi } = await import('../dist/src/rest/rest.js')
  const open = await Authority.open({ dataDir })
  const logger = {
    info: () => undefined,
    error: (...words) => process.stderr.write(`${words.map((word) => JSON.stringify(word)).join(' ')}\n`),
  }
  const page = await createManagerConsole(open, { dataDir, host: '127.0.0.1', names: [], logger })
  const api = new RestApi(open, { logger })
  const url = await open.listen({
    host: '127.0.0.1',
    port: 0,
    routes: async (server) => {
      await server.register(page.routes)
      await server.register(api.routes)
    },
  })
  served = open
  watchTurns()
  const { clientId } = await open.security.apiClients.create({})
  const accessToken = await open.security.apiClients.issue({ client: clientId, user: null })
  const { firstPasswordFile } = page
  process.send({ port: Number(new URL(url).port), ca: open.trustAnchor(), firstPasswordFile, accessToken })
}

let served = null
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()

/**
 * The most processor time between two turns of a timer, in milliseconds. Unlike the stall, it leaves out the time that other
 * programs of the machine and the disk take.
 */
let busiest = 0
let usage = process.cpuUsage()
function watchTurns() {
  const { user, system } = process.cpuUsage(usage)
  usage = process.cpuUsage()
  busiest = Math.max(busiest, (user + system) / 1000)
  setTimeout(watchTurns, 1)
}

/** Sends the longest stall of the event loop and the busiest turn since the last call, in milliseconds. */
function sendStall() {
  const [stall, busy] = [delay.max / 1e6, busiest]
  delay.reset()
  busiest = 0
  // The first turn after a reset is not measured.
  setTimeout(() => process.send({ stall, busy }), 5)
}

async function runBackgroundWork({ operations, security }) {
  await security.audit.runDue()
  await operations.notifications.runDue()
  await operations.schedules.runDue()
}

process.on('message', (message) => {
  if (message === 'stall') setTimeout(sendStall, 5)
  if (message === 'stats')
    served.operations.stats.collect().then((stats) => process.send({ alerts: stats.alerts }))
  if (message === 'background') runBackgroundWork(served).then(() => process.send({}))
  if (message === 'memory')
    process.send({
      memory: process.memoryUsage().rss,
      cpu: process.cpuUsage(),
      peak: process.resourceUsage().maxRSS * 1024,
    })
})
process.on('disconnect', () => process.exit())
await { floor, tls, authority, console: withConsole }[kind](options)
