import { describe, expect, it } from 'vitest'
import { SerialRounds } from '../../src/core/serial-rounds.ts'

/** Work that counts its rounds, and ends on request. */
function makeWork() {
  const open: { seen: number; end: (failure?: Error) => void }[] = []
  const state = { value: 0, atOnce: 0, most: 0 }
  const rounds = new SerialRounds(async () => {
    const seen = state.value
    state.most = Math.max(state.most, ++state.atOnce)
    try {
      await new Promise<void>((resolve, reject) => {
        open.push({
          seen,
          end: (failure) => {
            if (failure) reject(failure)
            else resolve()
          },
        })
      })
    } finally {
      state.atOnce--
    }
    return seen
  })
  /** Ends each round as soon as it has started, until no further round starts. */
  const endAll = async () => {
    for (let quiet = 0; quiet < 20; quiet++) {
      await Promise.resolve()
      const round = open.shift()
      if (!round) continue
      round.end()
      quiet = 0
    }
  }
  return { open, state, rounds, endAll }
}

describe('SerialRounds', () => {
  it('gives a caller during a round the next round, which sees the caller’s changes', async () => {
    const { open, state, rounds } = makeWork()
    state.value = 1
    const first = rounds.request()
    await Promise.resolve()
    state.value = 2
    const second = rounds.request()
    const third = rounds.request()
    open.shift()?.end()
    expect(await first).toBe(1)
    await new Promise(setImmediate)
    open.shift()?.end()
    expect(await Promise.all([second, third])).toEqual([2, 2])
    expect([open.length, rounds.current]).toEqual([0, null])
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 8])(
    'serves a caller %i microtasks after the end of a round was requested, one round at a time',
    async (microtasks) => {
      const { open, state, rounds, endAll } = makeWork()
      const first = rounds.request()
      await Promise.resolve()
      const queued = rounds.request()
      open.shift()?.end()
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      state.value = 7
      const late = rounds.request()
      const ended = Promise.all([first, queued, late])
      await endAll()
      expect((await ended)[2]).toBe(7)
      expect(state.most).toBe(1)
    },
  )

  it('continues after a failed round, whose failure only its callers get', async () => {
    const { open, rounds } = makeWork()
    const failed = rounds.request()
    await Promise.resolve()
    const next = rounds.request()
    open.shift()?.end(new Error('the first'))
    await expect(failed).rejects.toThrow('the first')
    await new Promise(setImmediate)
    open.shift()?.end()
    expect(await next).toBe(0)
  })
})
