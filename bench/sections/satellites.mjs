// Measures the synchronization of 100,000 product instances. The baseline has a tenth of them.
import { spawnSync } from 'node:child_process'

/** Measures satellites with 10,000 and with 100,000 instances, each in its own process. */
export function satellites(row) {
  const run = (number) => {
    const { stdout } = spawnSync(process.execPath, ['bench/satellite.mjs', String(number)], {
      encoding: 'utf8',
      cwd: new URL('../..', import.meta.url),
    })
    return JSON.parse(stdout)
  }
  const [small, large] = [run(10_000), run(100_000)]
  const growth = (a, b) => b / (10 * a)
  const seconds = (n) => `${(n / 1000).toFixed(2)} s`
  const ms = (n) => `${n.toFixed(0)} ms`
  const megabytes = (n) => `${(n / 1e6).toFixed(1)} MB`
  row(
    'synchronizing 100,000 instances: time',
    seconds(large.full.ms),
    `10 × ${seconds(small.full.ms)}, of 10,000`,
    growth(small.full.ms, large.full.ms),
    'under 1.2',
  )
  row(
    'synchronizing 100,000 instances: bytes',
    megabytes(large.full.bytes),
    `10 × ${megabytes(small.full.bytes)}`,
    growth(small.full.bytes, large.full.bytes),
    'under 1.1',
  )
  row(
    'synchronizing 100,000 instances: memory',
    megabytes(large.memory),
    `10 × ${megabytes(small.memory)}`,
    growth(small.memory, large.memory),
    'under 1.2',
  )
  row(
    'synchronizing 10 changes among 100,000: time',
    ms(large.delta.ms),
    `${ms(small.delta.ms)} among 10,000`,
    large.delta.ms / small.delta.ms,
    'under 2',
  )
  row(
    'synchronizing 10 changes among 100,000: bytes',
    `${large.delta.bytes} bytes`,
    `${small.delta.bytes} among 10,000`,
    large.delta.bytes / small.delta.bytes,
    'under 1.1',
  )
}
