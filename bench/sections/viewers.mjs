// Measures what viewers of the web console cost the devices of a large account, and how long they stop the server.
import { spawn } from 'node:child_process'
import { hammer } from '../load.mjs'
import { fillLargeAccount } from '../large-account.mjs'
import { ask, newAuthority, start, stop } from '../servers.mjs'
import { ms, perSecond } from '../table.mjs'
import { signIn } from '../viewers.mjs'
import { load } from './authority.mjs'

const INSTANCES = 100_000
const VIEWERS = 20
const ROUNDS = 3
const SECONDS = 9

function startViewers({ port }, headers) {
  const options = {
    port,
    headers,
    viewers: VIEWERS,
    virtualAccounts: ['Default', 'Branch 010', 'Branch 020'],
  }
  const child = spawn(
    process.execPath,
    [new URL('../viewers.mjs', import.meta.url).pathname, JSON.stringify(options)],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  return { stop: () => child.kill() }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

export async function viewers(row, directory, note) {
  const facts = await newAuthority(directory, { quantity: 2_000_000 })
  fillLargeAccount(facts.dataDir, { instances: INSTANCES })
  const server = await start('console', { dataDir: facts.dataDir })
  const headers = await signIn(server)
  const {
    devices,
    ask: authorize,
    ports,
  } = await load('VIEWED', [server], facts, { newDevices: 64, seconds: 1 })
  const measure = async () => {
    await ask(server, 'stall')
    const { rate } = await hammer(devices, ports, authorize, SECONDS * 1000)
    const { stall } = await ask(server, 'stall')
    return { rate, stall }
  }
  // In turns, because other load on the machine changes. The best round counts, because other load only slows down.
  const alone = { rate: 0, stall: Infinity }
  const viewed = { rate: 0, stall: Infinity }
  const better = (best, next) =>
    Object.assign(best, { rate: Math.max(best.rate, next.rate), stall: Math.min(best.stall, next.stall) })
  let onlyViewers = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    better(alone, await measure())
    const running = startViewers(server, headers)
    await pause(1_000)
    better(viewed, await measure())
    await ask(server, 'stall')
    await pause(SECONDS * 1000)
    onlyViewers = Math.min(onlyViewers, (await ask(server, 'stall')).stall)
    running.stop()
    await pause(500)
  }
  await stop(server)
  row(
    `authorizations beside ${VIEWERS} viewers, ${INSTANCES.toLocaleString('en')} instances`,
    perSecond(viewed.rate),
    `${perSecond(alone.rate)} without viewers`,
    viewed.rate / alone.rate,
    '0.9 or more',
  )
  row(
    `longest stall of the event loop, 64 devices and ${VIEWERS} viewers`,
    ms(viewed.stall),
    `${ms(alone.stall)} without viewers`,
    viewed.stall / alone.stall,
    'under 100 ms',
  )
  row(`longest stall of the event loop, ${VIEWERS} viewers alone`, ms(onlyViewers), '', null, 'under 50 ms')
  note(
    `Each viewer has an event stream and reads a page of 50 product instances every 3 seconds. The devices commit, so their stalls include the disk: viewers alone have none.`,
  )
}
