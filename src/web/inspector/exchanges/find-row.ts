import type { Exchange, Transition } from '../source.ts'

/** Longest time between an exchange and the transition that it caused, in milliseconds. */
const MAX_DELAY_MS = 60_000

/** Finds the transition that the outcome of an exchange caused. */
export function findRow(rows: readonly Transition[], exchange: Exchange): Transition | undefined {
  const at = Date.parse(exchange.at)
  const event = `${exchange.kind}.${exchange.outcome}`
  const distance = (row: Transition): number => Math.abs(Date.parse(row.at) - at)
  return rows
    .filter((row) => row.event === event && distance(row) <= MAX_DELAY_MS)
    .toSorted((one, other) => distance(one) - distance(other))[0]
}
