export const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

/** Returns calls per second, the best of several rounds, because other load on the machine can only slow a round down. */
export function rate(call, { rounds = 7, milliseconds = 150 } = {}) {
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    let calls = 0
    while (performance.now() - start < milliseconds) {
      for (let i = 0; i < 100; i++) call(calls + i)
      calls += 100
    }
    best = Math.max(best, (1000 * calls) / (performance.now() - start))
  }
  return best
}
