// Everyone at once: boxes that have never been here, each on a fresh TLS connection, until every one of them is registered. Run as
// a process of its own; prints what came of it. A box does as an agent does: it gives up a connection whose TLS does not stand
// after ten seconds and an answer that is not there after thirty, comes back when it is told to, and otherwise after a moment.
//   node bench/reconnect-storm.mjs '{"ports":[…],"token":"…","root":"…","boxes":10000}'
//   node bench/reconnect-storm.mjs '{"ports":[…],"floor":true,"boxes":10000}'
import { connection, newBox, registration } from './load.mjs'

const { ports, tokens, root, boxes, floor = false } = JSON.parse(process.argv[2])
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const tally = { sentAway: 0, lost: {}, longestAway: 0 }

const ready = []
for (let i = 0; i < boxes; i++) {
  const box = floor ? null : await newBox(`STORM-${i}`)
  ready.push(
    floor
      ? { path: '/', body: '{}', taken: () => undefined }
      : await registration(box, { token: tokens[i % tokens.length], root }),
  )
}

/** One request on a connection of its own. */
async function ask(i) {
  const { path, body, taken } = ready[i]
  const road = connection({ port: ports[i % ports.length] })
  let late = setTimeout(() => road.close('no TLS'), 10_000)
  road.socket.once('secureConnect', () => {
    clearTimeout(late)
    late = setTimeout(() => road.close('no answer'), 20_000)
  })
  try {
    const answer = await road.post(path, body)
    if (answer.status === 200) taken(answer.body)
    return answer
  } finally {
    clearTimeout(late)
    road.close()
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
    } catch (thrown) {
      if (thrown.final) throw thrown
      const why = thrown.code ?? thrown.message
      tally.lost[why] = (tally.lost[why] ?? 0) + 1
    }
    await pause(wait)
  }
}

process.send?.('ready')
if (process.send) await new Promise((resolve) => process.once('message', resolve))
const begun = performance.now()
const cpu = process.cpuUsage()
const times = []
await Promise.all(
  ready.map(async (_, i) => {
    await untilAnswered(i)
    times.push(performance.now() - begun)
  }),
)
times.sort((a, b) => a - b)
const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
const { user, system } = process.cpuUsage(cpu)
const told = {
  ...tally,
  seconds: at(1) / 1000,
  p50: at(0.5) / 1000,
  p99: at(0.99) / 1000,
  cpu: (user + system) / 1e6,
}
if (process.send) process.send(told, () => process.exit())
else console.log(told)
