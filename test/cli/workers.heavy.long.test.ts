import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect } from 'vitest'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'
import { eventually } from '../support/eventually.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let programs: Programs
beforeAll(async () => {
  programs = createPrograms()
  await programs.good(
    programs.authority(['init', '--account', 'acme.example', '--accept-agreement', '--json']),
  )
  await programs.order(100)
})
afterAll(() => programs.close())

interface ListeningLine {
  listening: string
  workers: number
  metrics: string[]
}
const serve = async (...more: string[]) => {
  const words = ['serve', '--listen', '127.0.0.1:0', '--workers', '2', '--metrics', '0', '--json', ...more]
  const server = await programs.serve('smart-authority', [
    '--data-dir',
    programs.dataDir('authority'),
    ...words,
  ])
  return { ...server, listening: JSON.parse(server.line) as ListeningLine }
}

/** Returns the child processes of a process. */
const childrenOf = (pid: number | undefined): number[] =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/)
    .map(Number)

/** Reads the number of exchanges from the metrics of each worker. */
const exchanges = async (urls: readonly string[]): Promise<number[]> =>
  Promise.all(
    urls.map(async (url) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return [...text.matchAll(/^smart_authority_exchanges_total\{.*\} (\d+)$/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
    }),
  )

describe('serve --workers', () => {
  it('serves one address with several processes and restarts a killed worker', async () => {
    const { child, listening, stop, log } = await serve()
    expect(listening.workers).toBe(2)
    expect(new Set(listening.metrics).size).toBe(2)
    const token = await programs.token()
    const register = async (name: string) => {
      await programs.initDevice(listening.listening, name)
      await programs.good(programs.agent(['register', token, '--json'], { device: name }))
    }
    for (let i = 0; i < 4; i++) await register(`DEVICE-${i}`)
    const [firstCount = 0, secondCount = 0] = await exchanges(listening.metrics)
    expect(firstCount).toBeGreaterThan(0)
    expect(secondCount).toBeGreaterThan(0)
    const [first = 0] = childrenOf(child.pid)
    process.kill(first, 'SIGKILL')
    await register('DEVICE-4')
    await eventually(() => {
      expect(log()).toContain('worker ended, restarting')
      const children = childrenOf(child.pid)
      expect(children).toHaveLength(2)
      expect(children).not.toContain(first)
    })
    await register('DEVICE-5')
    const { instances } = await programs.good<{ instances: unknown[] }>(
      programs.authority(['instance', 'list', '--json']),
    )
    expect(instances).toHaveLength(6)
    expect(await stop()).toBe(0)
  })

  it('ends all workers when the primary is killed', async () => {
    const { child, stop } = await serve()
    const workers = childrenOf(child.pid)
    expect(workers).toHaveLength(2)
    process.kill(child.pid ?? 0, 'SIGKILL')
    await eventually(() => {
      for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow()
    })
    await stop('SIGKILL')
  })

  it('prints one start failure, and refuses options that require a single process', async () => {
    const { stop, listening } = await serve()
    const again = await programs.run('smart-authority', [
      ...['--data-dir', programs.dataDir('authority')],
      ...['serve', '--listen', new URL(listening.listening).host, '--workers', '2', '--json'],
    ])
    expect(again.code).toBe(1)
    expect(parseError(again).code).toBe('ADDRESS_IN_USE')
    await stop()
    for (const [words, code] of [
      [['--workers', '0'], 'INVALID_ARGUMENT'],
      [['--workers', '65'], 'INVALID_ARGUMENT'],
      [['--workers', '2', '--chaos', 'delay=1ms'], 'USAGE'],
      [['--workers', '2', '--fault-api', '127.0.0.1:0'], 'USAGE'],
    ] as const)
      expect(parseError(await programs.authority(['serve', ...words, '--json'])).code).toBe(code)
  })
})
