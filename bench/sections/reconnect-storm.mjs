// Measures 10,000 devices that register at once on new TLS connections. The baseline is as many bare TLS connections.
import { fork } from 'node:child_process'
import { memoryOf, newAuthority, serve, start, stop } from '../servers.mjs'
import { mebibytes, seconds } from '../table.mjs'

const DEVICES = 10_000

async function storm(facts) {
  const child = fork(new URL('../reconnect-storm.mjs', import.meta.url).pathname, [
    JSON.stringify({ devices: DEVICES, ...facts }),
  ])
  const next = () => new Promise((resolve) => child.once('message', resolve))
  await next()
  child.send('go')
  return next()
}

const formatTimes = ({ seconds: all, p50, p99 }) =>
  `${seconds(all)}, p50 ${seconds(p50)}, p99 ${seconds(p99)}`

export async function reconnectStorm(row, directory, note) {
  const bare = await start('tls', {})
  const floor = await storm({ ports: [bare.port], floor: true })
  const { peak } = await memoryOf(bare)
  await stop(bare)
  for (const workers of [1, 2]) {
    const { dataDir, tokens, root } = await newAuthority(directory)
    const server = await serve(dataDir, ...(workers > 1 ? ['--workers', String(workers)] : []))
    const all = await storm({ ports: [server.port], tokens, root })
    const peakMemory = server.peak()
    await server.stop()
    const name = workers === 1 ? 'one process' : 'two processes'
    row(
      `10,000 registrations at once, ${name}`,
      formatTimes(all),
      `${formatTimes(floor)}: 10,000 TLS connections, one process`,
      all.seconds / floor.seconds,
      `${Math.max(20, floor.seconds * 1.5).toFixed(0)} s or less`,
    )
    row(`peak memory, ${name}`, mebibytes(peakMemory), mebibytes(peak), peakMemory / peak, '')
    const lost = Object.entries(all.lost).map(([reason, number]) => `${number} ${reason}`)
    note(
      `${name}: all 10,000 registered. ${all.sentAway} requests were rejected with Retry-After (${seconds(all.longestAway / 1000)} at most). ${lost.length > 0 ? `Lost and retried connections: ${lost.join(', ')}` : 'No connection was lost'}.`,
    )
  }
}
