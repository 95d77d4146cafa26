import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Status } from '../../src/index.ts'
import { createDatabaseOptions } from './database.ts'

/** Environment for programs with a fast clock, which would also run the timeouts of Node's servers. */
const WITHOUT_SERVER_TIMEOUTS = {
  NODE_OPTIONS: `--require ${new URL('without-server-timeouts.cjs', import.meta.url).pathname}`,
}

const getBinPath = (name: string): string => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname

/**
 * Removes the shared memory of `faketime`, which is named by process id and remains after a SIGKILL.
 * The next process with the same id would refuse to start.
 */
function removeFaketimeFiles(pid: number | undefined): void {
  if (pid === undefined) return
  for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`])
    rmSync(join('/dev/shm', name), { force: true })
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  process.kill(-child.pid, signal)
}

/** Exit code and output of a program. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  /** Clock of the program, for `faketime`: an offset such as `+31d`, or one with a speed such as `+0 x1000`. */
  readonly time?: string | undefined
  readonly input?: string
  readonly env?: Record<string, string>
  /** Maximum number of open files and connections. */
  readonly descriptors?: number
  /** Maximum file size in blocks of 512 bytes. A write across it is cut short. */
  readonly fileBlocks?: number
  /** Network namespace of the program. By default that of the machine. */
  readonly network?: string | undefined
}

/** Reads the resident memory of a process. */
export const readMemoryMebibytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Runs the built programs as child processes with a temporary directory. */
export function createPrograms() {
  const directory = mkdtempSync(join(tmpdir(), 'sla-'))
  const started: ChildProcess[] = []

  const start = (program: string, words: readonly string[], options: RunOptions = {}): ChildProcess => {
    const command = [
      ...(options.network === undefined ? [] : ['ip', 'netns', 'exec', options.network]),
      ...(options.descriptors === undefined
        ? []
        : ['sh', '-c', 'ulimit -n "$0" && exec "$@"', String(options.descriptors)]),
      ...(options.fileBlocks === undefined
        ? []
        : ['sh', '-c', 'ulimit -f "$0" && exec "$@"', String(options.fileBlocks)]),
      process.execPath,
      getBinPath(program),
      ...words,
    ]
    const [first = '', ...rest] =
      options.time === undefined ? command : ['faketime', '-f', options.time, ...command]
    const child = spawn(first, rest, {
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        ...(/ x\d/.test(options.time ?? '') && WITHOUT_SERVER_TIMEOUTS),
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      // With its own process group, a program under faketime is killed together with faketime.
      detached: true,
    })
    started.push(child)
    if (options.time !== undefined)
      child.once('close', () => {
        removeFaketimeFiles(child.pid)
      })
    return child
  }

  const run = (program: string, words: readonly string[], options: RunOptions = {}): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const child = start(program, words, options)
      let stdout = ''
      let stderr = ''
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      child.once('error', reject)
      child.once('close', (code) => {
        resolve({ code, stdout, stderr })
      })
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(options.input ?? '')
    })

  /** Starts a server or daemon. Resolves when it has printed its first line. */
  const serve = (
    program: string,
    words: readonly string[],
    options: RunOptions = {},
  ): Promise<{
    child: ChildProcess
    line: string
    /** Returns its standard error so far. */
    log: () => string
    stop: (signal?: NodeJS.Signals) => Promise<number | null>
  }> =>
    new Promise((resolve, reject) => {
      const child = start(program, words, options)
      let output = ''
      let stderr = ''
      const ended = new Promise<number | null>((end) => child.once('close', end))
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (!output.includes('\n')) return
        resolve({
          child,
          line: output.split('\n', 1)[0] ?? '',
          log: () => stderr,
          stop: (signal = 'SIGTERM') => {
            kill(child, signal)
            return ended
          },
        })
      })
      void ended.then((code) => {
        reject(new Error(`${program} ended with ${String(code)} before it was ready: ${stderr}`))
      })
    })

  /**
   * Starts a fast clock and returns the environment variables for programs that use it. All of them share one time. A program
   * with its own `faketime` would start from the present again.
   */
  const fastClock = (speed: number): Promise<Record<string, string>> =>
    new Promise((resolve, reject) => {
      const script = 'printf "%s\\n" "$LD_PRELOAD" "$FAKETIME" "$FAKETIME_SHARED" end; exec sleep infinity'
      const child = spawn('faketime', ['-f', `+0 x${speed}`, 'sh', '-c', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
      })
      started.push(child)
      child.once('error', reject)
      child.once('close', () => {
        removeFaketimeFiles(child.pid)
      })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
        const [preload = '', time = '', shared = '', end] = output.split('\n')
        if (end !== undefined && end !== '')
          resolve({
            LD_PRELOAD: preload,
            FAKETIME: time,
            FAKETIME_SHARED: shared,
            ...WITHOUT_SERVER_TIMEOUTS,
          })
      })
    })

  /** Starts a command that prints lines until it is killed. */
  const follow = (words: readonly string[]) => {
    const child = start('smart-agent', ['--data-dir', dataDir(), ...words])
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
    return {
      saying: (pattern: RegExp): Promise<void> =>
        new Promise((resolve) => {
          const check = () => {
            if (!pattern.test(output)) return
            child.stdout?.off('data', check)
            resolve()
          }
          child.stdout?.on('data', check)
          check()
        }),
    }
  }

  const dataDir = (name = 'device') => join(directory, name)
  const agent = (words: readonly string[], options: RunOptions & { device?: string } = {}) =>
    run('smart-agent', ['--data-dir', dataDir(options.device), ...words], options)
  const authority = (words: readonly string[], options: RunOptions = {}) =>
    run('smart-authority', ['--data-dir', dataDir('authority'), ...words], options)

  /** Asserts that a command succeeded and returns its JSON document. */
  const good = async <T>(ended: Promise<Ended>): Promise<T> => {
    const { code, stdout, stderr } = await ended
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as T
  }

  /** Initializes a device that trusts an authority by its root certificate. */
  const knowAuthority = async (url: string, root: string, name = 'device', serial = name.toUpperCase()) => {
    const pem = join(directory, 'root.pem')
    writeFileSync(pem, root)
    await good(
      agent(['init', '--pid', 'CWMS-K9', '--serial', serial, '--trust', pem, '--json'], { device: name }),
    )
    await good(agent(['transport', 'direct', url, '--json'], { device: name }))
  }

  return {
    directory,
    dataDir,
    start,
    run,
    serve,
    fastClock,
    follow,
    agent,
    authority,
    good,
    status: (options: RunOptions & { device?: string } = {}) =>
      good<Status>(agent(['status', '--json'], options)),
    /** Initializes the authority of acme.example. */
    initAuthority: async (...more: string[]) => {
      const { database } = await createDatabaseOptions()
      const where = database === undefined ? [] : ['--database', database]
      const words = ['--account', 'acme.example', '--accept-agreement', ...more]
      await good(authority([...where, 'init', ...words, '--json']))
    },
    serveAuthority: async (
      port = 0,
      options: RunOptions & { host?: string; more?: readonly string[] } = {},
    ) => {
      const { host = '127.0.0.1', more = [] } = options
      const words = ['--data-dir', dataDir('authority'), 'serve', '--listen', `${host}:${port}`, ...more]
      const server = await serve('smart-authority', words, options)
      const url = server.line.replace('listening on ', '')
      return { ...server, url, port: Number(new URL(url).port) }
    },
    daemon: (options: RunOptions & { device?: string } = {}) =>
      serve('smart-agent', ['--data-dir', dataDir(options.device), 'run'], options),
    token: async (...more: string[]) =>
      (
        await good<{ token: string }>(
          authority(['token', 'create', '--virtual-account', 'Default', '--days', '30', '--json', ...more]),
        )
      ).token,
    order: (quantity: number) =>
      good(
        authority([
          'order',
          '--tag',
          'HOST',
          '--quantity',
          String(quantity),
          '--virtual-account',
          'Default',
          '--json',
        ]),
      ),
    /** Initializes a device that trusts the authority. */
    initDevice: async (url: string, name = 'device', serial = name.toUpperCase()) => {
      const { stdout } = await authority(['trust', 'export'])
      await knowAuthority(url, stdout, name, serial)
    },
    knowAuthority,
    close: async () => {
      for (const child of started) kill(child, 'SIGKILL')
      const running = started.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      await Promise.all(running.map((child) => new Promise((resolve) => child.once('close', resolve))))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export type Programs = ReturnType<typeof createPrograms>

/** Parses the last line of standard error as a JSON error. */
export const parseError = ({ stderr }: Ended): { code: string; message: string; remedy: string } => {
  const line = stderr.trimEnd().split('\n').at(-1) ?? ''
  return (JSON.parse(line) as { error: { code: string; message: string; remedy: string } }).error
}
