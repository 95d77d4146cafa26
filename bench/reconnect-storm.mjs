// Registers many new devices at once, each on a new TLS connection, until all are registered. Runs in its own process and
// prints a summary. The timeouts are those of an agent: 10 s for TLS and 30 s for the answer. After a 503 answer, a device
// waits for its Retry-After. After any other failure, the wait is short and random.
//   node bench/reconnect-storm.mjs '{"ports":[…],"token":"…","root":"…","devices":10000}'
//   node bench/reconnect-storm.mjs '{"ports":[…],"floor":true,"devices":10000}'
import { connection, createDevice, registration } from './load.mjs'

const { ports, tokens, root, devices, floor = false } = JSON.parse(process.argv[2])
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const tally = { sentAway: 0, lost: {}, longestAway: 0 }

const ready = []
for (let i = 0; i < devices; i++) {
  const device = floor ? null : await createDevice(`STORM-${i}`)
  ready.push(
    floor
      ? { path: '/', body: '{}', onAnswer: () => undefined }
      : await registration(device, { token: tokens[i % tokens.length], root }),
  )
}

/** Sends one request on a new connection. */
async function ask(i) {
  const { path, body, onAnswer } = ready[i]
  const client = connection({ port: ports[i % ports.length] })
  let timer = setTimeout(() => client.close('no TLS'), 10_000)
  client.socket.once('secureConnect', () => {
    clearTimeout(timer)
    timer = setTimeout(() => client.close('no answer'), 20_000)
  })
  try {
    const answer = await client.post(path, body)
    if (answer.status === 200) onAnswer(answer.body)
    return answer
  } finally {
    clearTimeout(timer)
    client.close()
  }
}

async function untilAnswered(i) {
  for (let attempt = 0; ; attempt++) {
    let wait = 1000 * 2 ** Math.min(attempt, 4) * (0.5 + Math.random())
    try {
      const { status, body, retryAfter } = await ask(i)
      if (status === 200) return
      if (status !== 503) throw Object.assign(new Error(`answered ${status}: ${body}`), { final: true })
      tally.sentAway++
      wait = 1000 * retryAfter
      tally.longestAway = Math.max(tally.longestAway, wait)
    } catch (error) {
      if (error.final) throw error
      const reason = error.code ?? error.message
      tally.lost[reason] = (tally.lost[reason] ?? 0) + 1
    }
    await pause(wait)
  }
}

process.send?.('ready')
if (process.send) await new Promise((resolve) => process.once('message', resolve))
const start = performance.now()
const cpu = process.cpuUsage()
const times = []
await Promise.all(
  ready.map(async (_, i) => {
    await untilAnswered(i)
    times.push(performance.now() - start)
  }),
)
times.sort((a, b) => a - b)
const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
const { user, system } = process.cpuUsage(cpu)
const summary = {
  ...tally,
  seconds: at(1) / 1000,
  p50: at(0.5) / 1000,
  p99: at(0.99) / 1000,
  cpu: (user + system) / 1e6,
}
if (process.send) process.send(summary, () => process.exit())
else console.log(summary)
