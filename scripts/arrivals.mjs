// Ten thousand boxes whose authority returns at once: when do they arrive? A pure function of its arguments, by the
// same retry table the agents use: node scripts/arrivals.mjs [BOXES] [OUTAGE-MINUTES]
import { nextRetryAt } from '../dist/machines/index.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A small generator of even numbers from 0 up to 1 (mulberry32): the same every time. */
export function dice(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * @param boxes each of which fails for the first time somewhere within the first hour of the outage
 * @returns the instants of each box's first attempt after the authority is back, in milliseconds after that
 */
export function arrivals(boxes, outage, random, { jittered = true } = {}) {
  return Array.from({ length: boxes }, () => {
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

/** How many arrive in each of so many slots, the last taking the rest. */
export function histogram(instants, slot, slots) {
  const counts = Array.from({ length: slots }, () => 0)
  for (const at of instants) counts[Math.min(slots - 1, Math.floor(at / slot))]++
  return counts
}

const bar = (count, most) => '█'.repeat(Math.round((50 * count) / most))

/** A histogram as text. */
export function draw(counts, slot) {
  const most = Math.max(...counts)
  return counts
    .map((count, i) => {
      const from = String((i * slot) / MINUTE).padStart(4)
      const label = i === counts.length - 1 ? `${from} min on ` : `${from} min    `
      return `${label} ${String(count).padStart(6)}  ${bar(count, most)}`.trimEnd()
    })
    .join('\n')
}

/** The most that arrive within one second. */
export const busiestSecond = (instants) => Math.max(...histogram(instants, 1000, 4 * 3600))

if (import.meta.url === `file://${process.argv[1]}`) {
  const boxes = Number(process.argv[2] ?? 10_000)
  const outage = Number(process.argv[3] ?? 360) * MINUTE
  const instants = arrivals(boxes, outage, dice(1))
  console.log(draw(histogram(instants, 15 * MINUTE, 17), 15 * MINUTE))
  console.log(
    `\n${boxes} boxes after ${outage / MINUTE} minutes; at most ${busiestSecond(instants)} within a second.`,
  )
}
