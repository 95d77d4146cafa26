// The authority under load: authorizations and registrations a second, beside a floor of TLS, JSON, one signature verified and
// one made, and one durable commit.
import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import { authorization, floorRequest, hammer, newBox, registration } from '../load.mjs'
import { startPostgres } from '../postgres.mjs'
import { memoryOf, newAuthority, start, stop } from '../servers.mjs'
import { mebibytes, ms, perSecond } from '../table.mjs'

const SECONDS = 8
const BOXES = 64
const NEW_BOXES = 4_000
/** Of a million boxes that renew every thirty days, 1,389 come in an hour. */
const MANY_REQUESTS = 100_000

const spkiOf = (key) =>
  createPublicKey(key.export({ type: 'pkcs8', format: 'pem' }))
    .export({ type: 'spki', format: 'der' })
    .toString('base64')

/** Each of some boxes registers, once. */
function registrations(boxes, { tokens, root }) {
  let next = 0
  return async () => {
    const i = next++
    return boxes[i] && registration(boxes[i], { token: tokens[i % tokens.length], root })
  }
}

const some = async (name, number) => {
  const boxes = []
  for (let i = 0; i < number; i++) boxes.push(await newBox(`${name}-${i}`))
  return boxes
}

/** Registers boxes, and has 64 of them ask for authorization. */
export async function load(name, servers, facts, { seconds = SECONDS, newBoxes = NEW_BOXES } = {}) {
  const ports = servers.map(({ port }) => port)
  const boxes = await some(name, newBoxes)
  const few = boxes.slice(0, BOXES)
  const registered = await hammer(few, ports, registrations(boxes, facts), 600_000)
  const ask = (box) => authorization(box)
  await hammer(few, ports, ask, 1000)
  const authorized = await hammer(few, ports, ask, seconds * 1000)
  return { registered, authorized, boxes: few, ask, ports }
}

/** The floor: of the same boxes, as many in flight. */
export async function measureFloor(directory) {
  const boxes = await some('FLOOR', BOXES)
  const keys = Object.fromEntries(boxes.map(({ key, serial }) => [serial, spkiOf(key)]))
  const server = await start('floor', { keys, database: join(directory, `floor-${Date.now()}.db`) })
  await hammer(boxes, [server.port], floorRequest, 1000)
  const floor = await hammer(boxes, [server.port], floorRequest, SECONDS * 1000)
  await stop(server)
  return floor
}

const told = ({ rate, p50, p99 }) => `${perSecond(rate)}, p50 ${ms(p50)}, p99 ${ms(p99)}`

export async function authority(row, directory, note) {
  const floor = await measureFloor(directory)
  const beside = `${told(floor)}: TLS, JSON, two signatures, a commit`
  const compare = (what, one, aim) => row(what, told(one), beside, one.rate / floor.rate, aim)

  const facts = await newAuthority(directory)
  const server = await start('authority', { dataDir: facts.dataDir })
  const { authorized, registered, boxes, ask } = await load('SQLITE', [server], facts)
  compare('authorizations, SQLite, one process', authorized, '0.7 or more')
  compare('registrations, SQLite, one process', registered, '')
  const { memory: before } = await memoryOf(server)
  let left = MANY_REQUESTS
  await hammer(boxes, [server.port], (box) => (left-- > 0 ? ask(box) : undefined), 600_000)
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
    'The boxes that ask are 64, each on a connection that it keeps; they, the servers and PostgreSQL share the cores of the machine.',
  )
}
