import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { MINUTE, SECOND } from '../../src/core/time.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { createPrograms, readMemoryMebibytes, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'

const MINUTES = Number(process.env.SOAK_MINUTES ?? selectScale(0.05, 5))
const DEVICES = ['one', 'two', 'three'] as const

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority('--allow-fault-injection')
  await programs.order(1_000)
})
afterEach(() => programs.close())

/** Measures the resident memory of a process in MiB, and its open file descriptors. */
const measure = (pid: number): { memory: number; files: number } => ({
  memory: Math.round(readMemoryMebibytes(pid)),
  files: readdirSync(`/proc/${pid}/fd`).length,
})

it(
  `agents and an authority keep correct counts and leak nothing in ${MINUTES} minutes with 10 % failed requests`,
  { timeout: (MINUTES + 5) * MINUTE },
  async () => {
    const { agent, authority, good, status } = programs
    const random = new SeededRandom('soak')
    const server = await programs.serveAuthority(0, { more: ['--chaos', 'error503=0.05,lost-answer=0.05'] })
    const processes = new Map([['authority', server.child.pid ?? 0]])
    const used = new Map<string, number>()
    const retry = async (device: string, words: readonly string[]) => {
      for (let attempt = 1; attempt < 20; attempt++) {
        if ((await agent([...words, '--json'], { device })).code === 0) return
      }
      expect.fail(`${words.join(' ')} of ${device} never succeeded`)
    }
    for (const device of DEVICES) {
      await programs.initDevice(server.url, device)
      const daemon = await programs.daemon({ device })
      processes.set(device, daemon.child.pid ?? 0)
      await retry(device, ['register', await programs.token(), '--force'])
    }
    const measureAll = () => [...processes].map(([name, pid]) => ({ name, ...measure(pid) }))
    const end = Date.now() + MINUTES * MINUTE
    const quarter = (MINUTES * MINUTE) / 4
    let warm: ReturnType<typeof measureAll> | undefined
    let reportedAt = Date.now()
    let done = 0
    while (Date.now() < end) {
      const device = random.pick(DEVICES)
      const count = random.nextInt(0, 200)
      const words = random.pick([
        ['usage', 'set', 'HOST', String(count)],
        ['renew', 'authorization'],
        ['renew', 'registration'],
        ['status'],
        ['transport', 'test'],
      ])
      const { code } = await agent([...words, '--json'], { device })
      done++
      if (words[0] === 'usage') {
        expect(code).toBe(0)
        used.set(device, count)
      }
      // The values after a quarter of the time are the baseline.
      if (warm === undefined && Date.now() > end - 3 * quarter) warm = measureAll()
      if (Date.now() - reportedAt > MINUTE) {
        reportedAt = Date.now()
        const each = measureAll().map(({ name, memory, files }) => `${name} ${memory} MB ${files} files`)
        process.stdout.write(`${done} commands; ${each.join(', ')}\n`)
      }
    }
    for (const [index, { name, memory, files }] of measureAll().entries()) {
      const before = warm?.[index] ?? { memory: 0, files: 0 }
      expect(files, `files of ${name}`).toBeLessThan(before.files + 12)
      expect(memory, `megabytes of ${name}`).toBeLessThan(before.memory * 1.3 + 40)
    }
    for (const device of DEVICES) {
      await retry(device, ['renew', 'authorization'])
      const current: Status = await status({ device })
      expect(current).toMatchObject({ state: 'authorized', clock: { trusted: true } })
      if (used.has(device))
        expect(current.entitlements).toMatchObject([{ tag: 'HOST', count: used.get(device) }])
    }
    const sum = [...used.values()].reduce((total, count) => total + count, 0)
    expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
      licenses: [{ tag: 'HOST', inUse: sum }],
    })
    const code = await Promise.race([server.stop(), wait(30 * SECOND, 'still running')])
    expect(code).toBe(0)
  },
)
