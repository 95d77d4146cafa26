// Computes when 10,000 devices reconnect after an outage of their authority, from the agents' retry table. The result depends
// only on the arguments: node scripts/arrivals.mjs [DEVICES] [OUTAGE-MINUTES]
import { nextRetryAt } from '../dist/machines/index.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Creates a seeded generator of uniform random numbers in [0, 1) (mulberry32). */
export function createRandom(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * Computes the first attempt of each device after the outage. Each device fails first within the first hour of the outage.
 *
 * @param devices number of devices
 * @param outage length of the outage in milliseconds
 * @returns the times of the attempts, in milliseconds after the end of the outage
 */
export function arrivals(devices, outage, random, { jittered = true } = {}) {
  return Array.from({ length: devices }, () => {
    let at = jittered ? random() * Math.min(outage, HOUR) : 0
    for (let failures = 1; at < outage; failures++)
      at = nextRetryAt(at, failures, jittered ? random() : 1, {
        retryAfter: null,
        ceiling: 24 * HOUR,
        deadline: null,
      })
    return at - outage
  })
}

/** Counts the arrivals per slot of `slot` milliseconds. The last slot counts all later ones too. */
export function histogram(instants, slot, slots) {
  const counts = Array.from({ length: slots }, () => 0)
  for (const at of instants) counts[Math.min(slots - 1, Math.floor(at / slot))]++
  return counts
}

const bar = (count, max) => '█'.repeat(Math.round((50 * count) / max))

/** Draws a histogram as text. */
export function draw(counts, slot) {
  const max = Math.max(...counts)
  return counts
    .map((count, i) => {
      const from = String((i * slot) / MINUTE).padStart(4)
      const label = i === counts.length - 1 ? `${from} min on ` : `${from} min    `
      return `${label} ${String(count).padStart(6)}  ${bar(count, max)}`.trimEnd()
    })
    .join('\n')
}

/** Returns the highest number of arrivals within one second. */
export const busiestSecond = (instants) => Math.max(...histogram(instants, 1000, 4 * 3600))

if (import.meta.url === `file://${process.argv[1]}`) {
  const devices = Number(process.argv[2] ?? 10_000)
  const outage = Number(process.argv[3] ?? 360) * MINUTE
  const instants = arrivals(devices, outage, createRandom(1))
  console.log(draw(histogram(instants, 15 * MINUTE, 17), 15 * MINUTE))
  console.log(
    `\n${devices} devices after ${outage / MINUTE} minutes, at most ${busiestSecond(instants)} within one second.`,
  )
}
