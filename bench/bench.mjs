// Speed and memory, each as a ratio to a floor that is measured in the same run: `npm run bench`.
// A ratio says the same on a fast machine and a slow one; the figures beside it are this machine's.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, createServer, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { Database } from '../dist/src/trust/sqlite.js'
import { createMachine, initialTransition, transition } from 'xstate'
import { begin, smartAgent, step } from '../dist/machines/index.js'
import { mockAuthority } from '../dist/mocks/index.js'
import { layRoad } from '../dist/mocks/road.js'
import { SmartAgent } from '../dist/src/agent/index.js'
import { httpsTransport } from '../dist/src/transports/https.js'
import { tlsOptions } from '../dist/src/trust/certificates.js'

const program = new URL('../dist/bin/smart-agent.js', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'sla-bench-'))
const box = join(directory, 'box')
const table = new Table({
  head: ['what', 'measured', 'floor', 'ratio', 'aim'],
  style: { head: [], border: [], compact: true },
})
const row = (what, measured, floor, ratio, aim) => table.push([what, measured, floor, ratio.toFixed(2), aim])

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** Calls a second: the best of some rounds, since everything else on the machine only ever slows one down. */
function rate(call, { rounds = 7, milliseconds = 150 } = {}) {
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    let calls = 0
    while (performance.now() - start < milliseconds) {
      for (let i = 0; i < 100; i++) call(calls + i)
      calls += 100
    }
    best = Math.max(best, (1000 * calls) / (performance.now() - start))
  }
  return best
}

const perSecond = (n) => `${Math.round(n).toLocaleString('en')} /s`

/** The same states and as many transitions, each with a guard that says no, without a fact or an action. */
function hollow(node) {
  const on = {}
  for (const [event, transitions] of node.transitions)
    on[event] = transitions.map(() => ({ guard: () => false }))
  const states = Object.entries(node.states).map(([key, child]) => [key, hollow(child)])
  return {
    ...(states.length > 0 && { states: Object.fromEntries(states) }),
    ...(node.type === 'parallel' ? { type: 'parallel' } : states.length > 0 && { initial: states[0][0] }),
    on,
  }
}

function chart() {
  const [empty] = initialTransition(createMachine({ id: 'hollow', ...hollow(smartAgent.root) }))
  const floorMachine = empty.machine
  const floor = rate(() => transition(floorMachine, empty, { type: 'TICK' }))
  const { position } = begin(0)
  const measured = rate((i) => step(position, { type: 'TICK', at: i, used: 0 }))
  row(
    'chart: one beat, facts kept',
    perSecond(measured),
    `${perSecond(floor)} XState, hollow chart`,
    floor / measured,
    '',
  )
  const cycle = [
    { type: 'USAGE', at: 0, tag: 'HOST', count: 1 },
    { type: 'REGISTER', at: 1, force: false, again: false },
    {
      type: 'register.unreachable',
      at: 2,
      failure: { code: '', message: '', remedy: '' },
      jitter: 0.5,
      retryAfter: null,
    },
    { type: 'TICK', at: 3, used: 60 },
    { type: 'DEREGISTER', at: 4 },
  ]
  let place = position
  const events = rate((i) => {
    place = step(place, cycle[i % cycle.length]).position
  })
  row(
    'chart: events of a registration',
    perSecond(events),
    `${perSecond(floor)} XState, hollow chart`,
    floor / events,
    '',
  )
}

async function gate() {
  const agent = await SmartAgent.open({
    dataDir: join(directory, 'embedded'),
    product: { pid: 'BENCH', serial: '1', version: '1.0' },
    heartbeat: false,
  })
  const facts = new Map([['meeting-start', { allowed: true, reason: null }]])
  let kept
  const floor = rate(() => {
    kept = facts.get('meeting-start')
  })
  const measured = rate(() => {
    kept = agent.allows('meeting-start')
  })
  if (!kept.allowed) throw new Error('a box in evaluation must be allowed everything')
  row('allows()', perSecond(measured), `${perSecond(floor)} one Map look-up`, floor / measured, '')
  await agent.close()
}

/** Wall time of whole processes, in turns, so that a busy moment meets both. */
function wallTimes(commands, rounds = 25) {
  const times = commands.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, words] of commands.entries()) {
      const start = performance.now()
      const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      times[index].push(performance.now() - start)
    }
  }
  return times.map(median)
}

const residentMemory = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

async function programs() {
  const { status, stderr } = spawnSync(process.execPath, [
    program,
    '--data-dir',
    box,
    'init',
    '--pid',
    'BENCH',
    '--serial',
    '1',
  ])
  if (status !== 0) throw new Error(String(stderr))
  const ask = [program, '--data-dir', box, 'status', '--json']
  const empty = ['-e', '']
  const ms = (n) => `${n.toFixed(0)} ms`
  const [oneShot, floorAlone] = wallTimes([ask, empty])
  row('status, no daemon', ms(oneShot), `${ms(floorAlone)} empty script`, oneShot / floorAlone, 'under 1.6')

  const daemon = spawn(process.execPath, [program, '--data-dir', box, 'run'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("ready")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await Promise.all([daemon, bare].map((child) => new Promise((ready) => child.stdout.once('data', ready))))
  const [asked, floorAsked] = wallTimes([ask, empty])
  row('status, of the daemon', ms(asked), `${ms(floorAsked)} empty script`, asked / floorAsked, 'under 1.6')
  const mb = (n) => `${n.toFixed(0)} MB`
  const [used, floorUsed] = [residentMemory(daemon.pid), residentMemory(bare.pid)]
  row('resident memory, idle daemon', mb(used), `${mb(floorUsed)} bare Node`, used / floorUsed, 'under 1.6')
  daemon.kill()
  bare.kill()
}

/** A thousand exchanges one after the other, as an agent makes them, beside a bare agent of Node's. */
async function roads(exchanges = 1000) {
  const mock = await mockAuthority()
  const now = Date.now()
  const tls = await mock.authority.tlsForTests({
    notBefore: now - 60_000,
    notAfter: now + 86_400_000,
    hosts: ['localhost'],
  })
  const server = createServer({ ...tlsOptions(tls), keepAliveTimeout: 60_000 }, (request, response) => {
    request
      .resume()
      .once('end', () => response.setHeader('content-type', 'application/json').end('{"ok":true}'))
  })
  let handshakes = 0
  server.on('secureConnection', () => handshakes++)
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const road = await layRoad(server.address().port, (facts) => mock.authority.tlsForTests(facts))
  const body = JSON.stringify({ hello: 'x'.repeat(1000) })
  const { url, via } = road.settings('proxy')

  const bare = new Agent({ keepAlive: true, maxSockets: 1, ca: mock.trustAnchor })
  const ask = () =>
    new Promise((resolve, reject) => {
      const asked = request(
        `${url}/x`,
        { method: 'POST', agent: bare, headers: { 'content-type': 'application/json' } },
        (response) => {
          let text = ''
          response
            .setEncoding('utf8')
            .on('data', (part) => (text += part))
            .once('end', () => resolve(text))
        },
      )
      asked.once('error', reject)
      asked.end(body)
    })
  const timed = async (once) => {
    handshakes = 0
    const start = performance.now()
    for (let i = 0; i < exchanges; i++) await once()
    return { rate: (1000 * exchanges) / (performance.now() - start), handshakes }
  }
  await timed(ask)
  const floor = await timed(ask)
  bare.destroy()
  for (const [name, proxy] of [
    ['direct', null],
    ['by proxy', { url: new URL(via), username: null, password: null }],
  ]) {
    const transport = httpsTransport({ url, proxy, anchors: [mock.trustAnchor] })
    const { rate, handshakes: made } = await timed(() => transport.post('/x', body))
    transport.close()
    row(
      `${exchanges} exchanges ${name}, ${made} TLS handshake${made === 1 ? '' : 's'}`,
      perSecond(rate),
      `${perSecond(floor.rate)} bare https.Agent`,
      floor.rate / rate,
      '',
    )
  }
  await road.close()
  server.closeAllConnections()
  server.close()
  await mock.close()
}

/** Raw better-sqlite3 on the same disk: one row a transaction that is on disk, or a hundred. */
function rawInserts(count, together) {
  const db = new Database(join(directory, `raw-${together}-${count}.db`))
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('create table hosts (user text primary key, at integer) strict')
  const insert = db.prepare('insert into hosts values (?, ?)')
  const many = db.transaction((from) => {
    for (let i = from; i < from + together; i++) insert.run(`user${i}@acme.example`, i)
  })
  const start = performance.now()
  for (let i = 0; i < count; i += together) {
    if (together === 1) insert.run(`user${i}@acme.example`, i)
    else many(i)
  }
  const perSecond = (count / (performance.now() - start)) * 1000
  db.close()
  return perSecond
}

async function hosts() {
  const agent = await SmartAgent.open({
    dataDir: join(directory, 'hosts'),
    product: { pid: 'BENCH', serial: '1', version: '1.0' },
    heartbeat: false,
  })
  let next = 0
  /** Assigns so many hosts, with so many of them in flight at a time; each is waited for until it is on disk. */
  const assign = async (count, inFlight) => {
    const start = performance.now()
    const end = next + count
    const one = async () => {
      while (next < end) await agent.hosts.assign(`user${next++}@acme.example`)
    }
    await Promise.all(Array.from({ length: inFlight }, one))
    return (count / (performance.now() - start)) * 1000
  }
  await assign(1000, 1)
  const rounds = 3
  const best = async (count, inFlight) => {
    let most = 0
    for (let i = 0; i < rounds; i++) most = Math.max(most, await assign(count, inFlight))
    return most
  }
  const raw = Math.max(rawInserts(1500, 1), rawInserts(1501, 1), rawInserts(1502, 1))
  const single = await best(1500, 1)
  row(
    'assign, one at a time, on disk',
    perSecond(single),
    `${perSecond(raw)} raw insert, FULL`,
    single / raw,
    '0.7 or more',
  )
  const sixtyFour = await best(20_000, 64)
  row(
    'assign, 64 in flight',
    perSecond(sixtyFour),
    `${perSecond(single)} one at a time`,
    sixtyFour / single,
    '8 or more',
  )
  const rawHundred = Math.max(rawInserts(50_000, 100), rawInserts(50_100, 100))
  const many = await best(50_000, 256)
  row(
    'assign, 256 in flight',
    perSecond(many),
    `${perSecond(rawHundred)} raw, 100 a transaction`,
    many / rawHundred,
    '0.5 or more',
  )
  await assign(1_000_000 - next, 1000)
  const large = await best(1500, 1)
  row(
    'assign beside 1,000,000 hosts',
    perSecond(large),
    `${perSecond(single)} beside thousands`,
    single / large,
    'under 1.3',
  )
  await agent.close()
  const memory = process.memoryUsage().rss
  const start = performance.now()
  const again = await SmartAgent.open({ dataDir: join(directory, 'hosts'), heartbeat: false })
  const opened = performance.now() - start
  const { assigned } = again.status().hosts
  row(
    `opening a ledger of ${assigned.toLocaleString('en')} hosts`,
    `${opened.toFixed(0)} ms, ${((process.memoryUsage().rss - memory) / 1e6).toFixed(0)} MB`,
    '',
    opened,
    '',
  )
  await again.close()
}

/** A satellite of ten thousand instances and of ten times as many, each a process of its own. */
function satellites() {
  const run = (number) => {
    const { stdout } = spawnSync(process.execPath, ['bench/satellite.mjs', String(number)], {
      encoding: 'utf8',
      cwd: new URL('..', import.meta.url),
    })
    return JSON.parse(stdout)
  }
  const [small, large] = [run(10_000), run(100_000)]
  const growth = (a, b) => b / (10 * a)
  const seconds = (n) => `${(n / 1000).toFixed(2)} s`
  const ms = (n) => `${n.toFixed(0)} ms`
  const megabytes = (n) => `${(n / 1e6).toFixed(1)} MB`
  row(
    'synchronising 100,000 instances: time',
    seconds(large.full.ms),
    `10 × ${seconds(small.full.ms)}, of 10,000`,
    growth(small.full.ms, large.full.ms),
    'under 1.2',
  )
  row(
    'the same: bytes',
    megabytes(large.full.bytes),
    `10 × ${megabytes(small.full.bytes)}`,
    growth(small.full.bytes, large.full.bytes),
    'under 1.1',
  )
  row(
    'the same: memory',
    megabytes(large.memory),
    `10 × ${megabytes(small.memory)}`,
    growth(small.memory, large.memory),
    'under 1.2',
  )
  row(
    'ten that changed among 100,000',
    ms(large.delta.ms),
    `${ms(small.delta.ms)} among 10,000`,
    large.delta.ms / small.delta.ms,
    'under 2',
  )
  row(
    'the same: bytes',
    `${large.delta.bytes} bytes`,
    `${small.delta.bytes} among 10,000`,
    large.delta.bytes / small.delta.bytes,
    'under 1.1',
  )
}

/** Bytes that a page may weigh, compressed. */
const PAGE = 350_000

function pages() {
  const { stdout, stderr } = spawnSync(process.execPath, [new URL('pages.mjs', import.meta.url).pathname], {
    encoding: 'utf8',
  })
  if (stdout === '') throw new Error(stderr)
  const { floor, ...both } = JSON.parse(stdout)
  for (const [page, name] of [
    ['box', 'Smart Licenses'],
    ['manager', 'Software Manager'],
  ]) {
    const { bytes, ms } = both[page]
    const kilobytes = (n) => `${Math.round(n / 1000)} kB`
    row(`${name}: bytes, compressed`, kilobytes(bytes), kilobytes(PAGE), bytes / PAGE, 'under 1')
    row(
      `${name}: until its first field can be typed in`,
      `${Math.round(ms)} ms`,
      `${Math.round(floor)} ms, a page of text`,
      ms / floor,
      'under 5',
    )
  }
}

try {
  chart()
  await gate()
  await hosts()
  await roads()
  await programs()
  satellites()
  pages()
  console.log(table.toString())
} finally {
  rmSync(directory, { recursive: true, force: true })
}
