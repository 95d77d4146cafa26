import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { MINUTE, SECOND } from '../../src/core/time.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { createPrograms, readMemoryMebibytes, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'

const MINUTES = Number(process.env.SOAK_MINUTES ?? selectScale(0.1, 5))
const BOXES = ['one', 'two', 'three'] as const

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority('--allow-fault-injection')
  await programs.order(1_000)
})
afterEach(() => programs.close())

/** Resident memory in mebibytes, and open files and connections, of a process. */
const take = (pid: number): { memory: number; files: number } => ({
  memory: Math.round(readMemoryMebibytes(pid)),
  files: readdirSync(`/proc/${pid}/fd`).length,
})

it(
  `a soak of ${MINUTES} minutes: one request in ten goes wrong, and no process grows, leaks or loses count`,
  { timeout: (MINUTES + 5) * MINUTE },
  async () => {
    const { agent, authority, good, status } = programs
    const random = new SeededRandom('soak')
    const server = await programs.serveAuthority(0, { more: ['--chaos', 'error503=0.05,lost-answer=0.05'] })
    const processes = new Map([['authority', server.child.pid ?? 0]])
    const used = new Map<string, number>()
    const trying = async (box: string, words: readonly string[]) => {
      for (let attempt = 1; attempt < 20; attempt++) {
        if ((await agent([...words, '--json'], { box })).code === 0) return
      }
      expect.fail(`${words.join(' ')} of ${box} never succeeded`)
    }
    for (const box of BOXES) {
      await programs.initBox(server.url, box)
      const daemon = await programs.daemon({ box })
      processes.set(box, daemon.child.pid ?? 0)
      await trying(box, ['register', await programs.token(), '--force'])
    }
    const look = () => [...processes].map(([name, pid]) => ({ name, ...take(pid) }))
    const end = Date.now() + MINUTES * MINUTE
    const quarter = (MINUTES * MINUTE) / 4
    let warm: ReturnType<typeof look> | undefined
    let said = Date.now()
    let done = 0
    while (Date.now() < end) {
      const box = random.pick(BOXES)
      const count = random.nextInt(0, 200)
      const words = random.pick([
        ['usage', 'set', 'HOST', String(count)],
        ['renew', 'authorization'],
        ['renew', 'registration'],
        ['status'],
        ['transport', 'test'],
      ])
      const { code } = await agent([...words, '--json'], { box })
      done++
      if (words[0] === 'usage') {
        expect(code).toBe(0)
        used.set(box, count)
      }
      // What it has by then is what it needs: the rest must not be more.
      if (warm === undefined && Date.now() > end - 3 * quarter) warm = look()
      if (Date.now() - said > MINUTE) {
        said = Date.now()
        const each = look().map(({ name, memory, files }) => `${name} ${memory} MB ${files} files`)
        process.stdout.write(`${done} commands; ${each.join(', ')}\n`)
      }
    }
    for (const [index, { name, memory, files }] of look().entries()) {
      const before = warm?.[index] ?? { memory: 0, files: 0 }
      expect(files, `files of ${name}`).toBeLessThan(before.files + 12)
      expect(memory, `megabytes of ${name}`).toBeLessThan(before.memory * 1.3 + 40)
    }
    for (const box of BOXES) {
      await trying(box, ['renew', 'authorization'])
      const right: Status = await status({ box })
      expect(right).toMatchObject({ state: 'authorized', clock: { trusted: true } })
      if (used.has(box)) expect(right.entitlements).toMatchObject([{ tag: 'HOST', count: used.get(box) }])
    }
    const sum = [...used.values()].reduce((all, one) => all + one, 0)
    expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
      licenses: [{ tag: 'HOST', inUse: sum }],
    })
    // They end when they are asked to, after all that.
    const code = await Promise.race([server.stop(), wait(30 * SECOND, 'still there')])
    expect(code).toBe(0)
  },
)
