#!/usr/bin/env node
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { parseProfileText, type ProductProfile } from '../../src/core/profile.ts'
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
  readonly profile: ProductProfile | undefined
  readonly shrink: boolean
  readonly story: boolean
  readonly workers: number
  readonly untilWrong: boolean
}

/** Range of seeds for a worker process: every `step`-th seed from `first`, below `end`. */
interface Task {
  readonly first: number
  readonly end: number
  readonly step: number
}
type WorkerResult = {
  readonly seed: number
  readonly violation: SimulationResult['violation']
  readonly events: number
}

const parseIntegerFrom =
  (min: number) =>
  (text: string): number => {
    const number = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(number) || number < min)
      throw new InvalidArgumentError(`Must be a whole number, ${min} or greater.`)
    return number
  }
const parsePositiveInteger = parseIntegerFrom(1)

const parsePositiveNumber = (text: string): number => {
  const number = Number(text)
  if (!(number > 0)) throw new InvalidArgumentError('Must be a number greater than 0.')
  return number
}

function parseProfileFile(path: string): ProductProfile {
  try {
    return parseProfileText(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}

const program = new Command('simulate')
  .description(
    'Runs real agents and a real authority on virtual time, with faults of the network, disks, clocks and users, and checks invariants.',
  )
  .option('--seed <number>', 'seed: the same seed gives the same run', parsePositiveInteger, 1)
  .option('--seeds <number>', 'number of consecutive seeds to run', parsePositiveInteger, 1)
  .option('--devices <number>', 'number of devices in each run', parsePositiveInteger, 2)
  .option(
    '--satellites <number>',
    'number of satellites that share the devices with the manager',
    parseIntegerFrom(0),
    0,
  )
  .option('--years <number>', 'duration of each run in years', parsePositiveNumber, 0.1)
  .addOption(
    new Option('--days <number>', 'duration of each run in days')
      .argParser(parsePositiveInteger)
      .conflicts('years'),
  )
  .addOption(
    new Option('--faults <how many>', 'frequency of faults')
      .choices(FAULT_LEVELS)
      .default('heavy' satisfies FaultLevel),
  )
  .option(
    '--profile <file>',
    'JSON file with the product profile (default: the conferencing profile)',
    parseProfileFile,
  )
  .option('--until-wrong', 'stop at the first violated invariant', false)
  .option('--shrink', 'reduce a failing run to the steps that are needed', false)
  .option('--story', 'print every event', false)
  .option('--workers <number>', 'number of worker processes', parsePositiveInteger, availableParallelism())

const options = program.parse().opts<Options>()
const days = options.days ?? Math.max(1, Math.round(options.years * 365))
const createSeedPlan = (seed: number) =>
  createPlan({
    seed,
    devices: options.devices,
    satellites: options.satellites,
    days,
    faults: options.faults,
    ...(options.profile && { profile: options.profile }),
  })
const print = (text: string) => {
  process.stdout.write(`${text}\n`)
}

async function runSeed(seed: number): Promise<boolean> {
  const begun = performance.now()
  let result = await runSimulation(createSeedPlan(seed))
  const seconds = (performance.now() - begun) / 1000
  if (result.violation && options.shrink) result = await shrink(result)
  if (options.story) print(`${result.lines.join('\n')}\n`)
  print(formatTrace(result))
  // The speed goes to standard error, because standard output is the same for the same seed.
  if (!result.violation)
    process.stderr.write(
      `${((options.devices * days) / 365 / seconds).toFixed(1)} device-years per second.\n`,
    )
  return result.violation === null
}

/** Runs the seeds of a task and sends each result to the parent process. */
async function runWorkerTask({ first, end, step }: Task): Promise<void> {
  for (let seed = first; seed < end; seed += step) {
    const { violation, lines } = await runSimulation(createSeedPlan(seed))
    // A failed send is ignored: the `disconnect` handler ends this process when the parent is gone.
    process.send?.({ seed, violation, events: lines.length } satisfies WorkerResult, () => undefined)
  }
}

/** Runs many seeds in several worker processes. */
async function runSeeds(): Promise<boolean> {
  const begun = performance.now()
  const end = options.seed + options.seeds
  const children: ChildProcess[] = []
  const failed: WorkerResult[] = []
  let events = 0
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
        events += result.events
        if (result.violation === null) return
        failed.push(result)
        print(
          `seed ${result.seed}: ${result.violation.invariant}: ${result.violation.message.split('\n', 1)[0] ?? ''}`,
        )
        if (options.untilWrong) for (const sibling of children) sibling.kill()
      })
      return new Promise<void>((resolve, reject) => {
        child.on('exit', (code) => {
          if (code === 0 || child.killed) resolve()
          else reject(new Error(`A worker process ended with ${code ?? 'a signal'}.`))
        })
      })
    }),
  )
  const seconds = (performance.now() - begun) / 1000
  print(
    `${done} runs, ${events} events, ${seconds.toFixed(0)} s, ${((done * options.devices * days) / 365 / seconds).toFixed(1)} device-years per second: ${failed.length === 0 ? 'every invariant held' : `${failed.length} failed`}.`,
  )
  const [first] = failed.sort((a, b) => a.seed - b.seed)
  if (first && options.shrink) await runSeed(first.seed)
  return failed.length === 0
}

// On a signal, each process exits and thereby deletes its simulated disks. Workers also exit when the parent is gone.
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
// Exits after standard output is flushed: a pipe accepts long output in parts.
process.stdout.write('', () => process.exit(code))
