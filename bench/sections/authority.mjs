// Measures authorizations and registrations per second. The baseline server does TLS, JSON, one signature verification, one
// signature and one durable commit per request.
import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import { authorization, floorRequest, hammer, createDevice, registration } from '../load.mjs'
import { startPostgres } from '../postgres.mjs'
import { memoryOf, newAuthority, start, stop } from '../servers.mjs'
import { mebibytes, ms, perSecond } from '../table.mjs'

const SECONDS = 8
const DEVICES = 64
const NEW_DEVICES = 4_000
/** Requests of the memory test. A million devices that renew every 30 days send 1,389 requests an hour. */
const MANY_REQUESTS = 100_000

const spkiOf = (key) =>
  createPublicKey(key.export({ type: 'pkcs8', format: 'pem' }))
    .export({ type: 'spki', format: 'der' })
    .toString('base64')

/** Returns a function that creates the next registration, one for each device. */
function registrations(devices, { tokens, root }) {
  let next = 0
  return async () => {
    const i = next++
    return devices[i] && registration(devices[i], { token: tokens[i % tokens.length], root })
  }
}

const createDevices = async (name, number) => {
  const devices = []
  for (let i = 0; i < number; i++) devices.push(await createDevice(`${name}-${i}`))
  return devices
}

/** Registers devices, and measures the authorizations of 64 of them. */
export async function load(name, servers, facts, { seconds = SECONDS, newDevices = NEW_DEVICES } = {}) {
  const ports = servers.map(({ port }) => port)
  const devices = await createDevices(name, newDevices)
  const few = devices.slice(0, DEVICES)
  const registered = await hammer(few, ports, registrations(devices, facts), 600_000)
  const ask = (device) => authorization(device)
  await hammer(few, ports, ask, 1000)
  const authorized = await hammer(few, ports, ask, seconds * 1000)
  return { registered, authorized, devices: few, ask, ports }
}

/** Measures the baseline server with the same number of devices. */
export async function measureFloor(directory) {
  const devices = await createDevices('FLOOR', DEVICES)
  const keys = Object.fromEntries(devices.map(({ key, serial }) => [serial, spkiOf(key)]))
  const server = await start('floor', { keys, database: join(directory, `floor-${Date.now()}.db`) })
  await hammer(devices, [server.port], floorRequest, 1000)
  const floor = await hammer(devices, [server.port], floorRequest, SECONDS * 1000)
  await stop(server)
  return floor
}

const formatLoad = ({ rate, p50, p99 }) => `${perSecond(rate)}, p50 ${ms(p50)}, p99 ${ms(p99)}`

export async function authority(row, directory, note) {
  const floor = await measureFloor(directory)
  const baseline = `${formatLoad(floor)}: TLS, JSON, two signatures, a commit`
  const compare = (what, load, aim) => row(what, formatLoad(load), baseline, load.rate / floor.rate, aim)

  const facts = await newAuthority(directory)
  const server = await start('authority', { dataDir: facts.dataDir })
  const { authorized, registered, devices, ask } = await load('SQLITE', [server], facts)
  compare('authorizations, SQLite, one process', authorized, '0.7 or more')
  compare('registrations, SQLite, one process', registered, '')
  const { memory: before } = await memoryOf(server)
  let left = MANY_REQUESTS
  await hammer(devices, [server.port], (device) => (left-- > 0 ? ask(device) : undefined), 600_000)
  const { memory: after } = await memoryOf(server)
  row(
    `memory after ${MANY_REQUESTS.toLocaleString('en')} more authorizations`,
    mebibytes(after),
    `${mebibytes(before)} before`,
    after / before,
    'flat',
  )
  await stop(server)

  const postgres = await startPostgres()
  try {
    const facts = await newAuthority(directory, { database: await postgres.database() })
    const servers = [await start('authority', facts), await start('authority', facts)]
    const { authorized, registered } = await load('POSTGRES', servers, facts)
    compare('authorizations, PostgreSQL, two processes', authorized, '0.5 or more')
    compare('registrations, PostgreSQL, two processes', registered, '')
    for (const server of servers) await stop(server)
  } finally {
    postgres.stop()
  }
  note(
    'The load comes from 64 devices on keep-alive connections. The devices, the servers and PostgreSQL share the cores of the machine.',
  )
}
