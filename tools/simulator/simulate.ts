#!/usr/bin/env node
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism, constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type FaultLevel, FAULT_LEVELS, createPlan } from './plan.ts'
import { shrink } from './shrink.ts'
import { runSimulation, type SimulationResult } from './simulation.ts'
import { formatTrace } from './trace.ts'

interface Options {
  readonly seed: number
  readonly seeds: number
  readonly devices: number
  readonly satellites: number
  readonly days: number | undefined
  readonly years: number
  readonly faults: FaultLevel
  readonly shrink: boolean
  readonly story: boolean
  readonly workers: number
  readonly untilWrong: boolean
}

/** What a process that hunts along is told to do, and what it tells. */
interface Task {
  readonly first: number
  readonly end: number
  readonly step: number
}
type WorkerResult = {
  readonly seed: number
  readonly violation: SimulationResult['violation']
  readonly happenings: number
}

const parseIntegerFrom =
  (least: number) =>
  (text: string): number => {
    const number = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(number) || number < least)
      throw new InvalidArgumentError(`It is a whole number from ${least} on.`)
    return number
  }
const parsePositiveInteger = parseIntegerFrom(1)

const parsePositiveNumber = (text: string): number => {
  const number = Number(text)
  if (!(number > 0)) throw new InvalidArgumentError('It is a number above 0.')
  return number
}

const program = new Command('simulate')
  .description(
    'Lets real agents and a real authority live through years in seconds, with a network, disks, clocks and people that fail, and checks what must always be so.',
  )
  .option('--seed <number>', 'the seed: the same one, the same history', parsePositiveInteger, 1)
  .option('--seeds <number>', 'how many seeds, from that one on', parsePositiveInteger, 1)
  .option('--devices <number>', 'devices of each history', parsePositiveInteger, 2)
  .option('--satellites <number>', 'satellites, among whom the boxes are divided', parseIntegerFrom(0), 0)
  .option('--years <number>', 'years that each history lasts', parsePositiveNumber, 0.1)
  .addOption(
    new Option('--days <number>', 'the same in days').argParser(parsePositiveInteger).conflicts('years'),
  )
  .addOption(
    new Option('--faults <how many>', 'how much goes wrong')
      .choices(FAULT_LEVELS)
      .default('heavy' satisfies FaultLevel),
  )
  .option('--until-wrong', 'ends with the first history that goes wrong', false)
  .option('--shrink', 'reduces a history that went wrong to the steps it takes', false)
  .option('--story', 'tells everything that happened', false)
  .option('--workers <number>', 'processes that hunt at a time', parsePositiveInteger, availableParallelism())

const options = program.parse().opts<Options>()
const days = options.days ?? Math.max(1, Math.round(options.years * 365))
const createSeedPlan = (seed: number) =>
  createPlan({ seed, boxes: options.devices, satellites: options.satellites, days, faults: options.faults })
const print = (text: string) => {
  process.stdout.write(`${text}\n`)
}

async function runSeed(seed: number): Promise<boolean> {
  const begun = performance.now()
  let history = await runSimulation(createSeedPlan(seed))
  const seconds = (performance.now() - begun) / 1000
  if (history.violation && options.shrink) history = await shrink(history)
  if (options.story) print(`${history.lines.join('\n')}\n`)
  print(formatTrace(history))
  // Not a part of the story, which is the same every time.
  if (!history.violation)
    process.stderr.write(
      `${((options.devices * days) / 365 / seconds).toFixed(1)} box-years a second, everything real but time.\n`,
    )
  return history.violation === null
}

/** Every so-many-th seed, told to the process that asked. */
async function runWorkerTask({ first, end, step }: Task): Promise<void> {
  for (let seed = first; seed < end; seed += step) {
    const { violation, lines } = await runSimulation(createSeedPlan(seed))
    // Where nobody hears it any more, the end of the channel ends this too.
    process.send?.({ seed, violation, happenings: lines.length } satisfies WorkerResult, () => undefined)
  }
}

/** Many seeds, by several processes. */
async function runSeeds(): Promise<boolean> {
  const begun = performance.now()
  const end = options.seed + options.seeds
  const children: ChildProcess[] = []
  const wrong: WorkerResult[] = []
  let happenings = 0
  let done = 0
  const workers = Math.min(options.workers, options.seeds)
  await Promise.all(
    Array.from({ length: workers }, (_, number) => {
      const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
        env: {
          ...process.env,
          SIMULATE_TASK: JSON.stringify({ first: options.seed + number, end, step: workers } satisfies Task),
        },
      })
      children.push(child)
      child.on('message', (result: WorkerResult) => {
        done++
        happenings += result.happenings
        if (result.violation === null) return
        wrong.push(result)
        print(
          `seed ${result.seed}: ${result.violation.invariant}: ${result.violation.message.split('\n', 1)[0] ?? ''}`,
        )
        if (options.untilWrong) for (const one of children) one.kill()
      })
      return new Promise<void>((resolve, reject) => {
        child.on('exit', (code) => {
          if (code === 0 || child.killed) resolve()
          else reject(new Error(`a process that hunted along ended with ${code ?? 'a signal'}`))
        })
      })
    }),
  )
  const seconds = (performance.now() - begun) / 1000
  print(
    `${done} histories, ${happenings} happenings, ${seconds.toFixed(0)} s, ${((done * options.devices * days) / 365 / seconds).toFixed(1)} box-years a second: ${wrong.length === 0 ? 'every invariant held' : `${wrong.length} went wrong`}.`,
  )
  const [first] = wrong.sort((a, b) => a.seed - b.seed)
  if (first && options.shrink) await runSeed(first.seed)
  return wrong.length === 0
}

// Whoever is stopped takes its simulated disks with it, and so does who hunted along with somebody who is gone.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => process.exit(128 + constants.signals[signal]))
process.once('disconnect', () => process.exit(1))

const task = process.env.SIMULATE_TASK
if (task !== undefined) {
  await runWorkerTask(JSON.parse(task) as Task)
  process.disconnect()
  process.exit(0)
}
const code = (await (options.seeds > 1 ? runSeeds() : runSeed(options.seed))) ? 0 : 1
// A pipe takes a long story piece by piece: the end waits for the last.
process.stdout.write('', () => process.exit(code))
