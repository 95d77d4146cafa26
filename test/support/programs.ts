import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Status } from '../../src/index.ts'
import { createDatabaseOptions } from './database.ts'

/** For programs whose clock is too fast: Node's time-outs of servers go by that clock. */
const WITHOUT_SERVER_TIMEOUTS = {
  NODE_OPTIONS: `--require ${new URL('without-server-timeouts.cjs', import.meta.url).pathname}`,
}

const getBinPath = (name: string): string => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname

/**
 * What `faketime` shares is named by its process id and outlives a SIGKILL: the next process to be
 * given that id would refuse to start.
 */
function forgetFaketime(pid: number | undefined): void {
  if (pid === undefined) return
  for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`])
    rmSync(join('/dev/shm', name), { force: true })
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  process.kill(-child.pid, signal)
}

/** How a program ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  /** What the program believes of the time: an offset such as `+31d`, or one with a speed, `+0 x1000`. */
  readonly time?: string | undefined
  readonly input?: string
  readonly env?: Record<string, string>
  /** How many files and connections it may have open. */
  readonly descriptors?: number
  /** Blocks of 512 bytes beyond which no file may grow: a write across that end is cut short. */
  readonly fileBlocks?: number
  /** The network namespace it is run in: the machine's own unless given. */
  readonly network?: string | undefined
}

/** Resident memory of a process. */
export const readMemoryMebibytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Both programs as users run them: built, as processes of their own, in a directory of their own. */
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
      // A group of its own: a program run under faketime is the child of that.
      detached: true,
    })
    started.push(child)
    if (options.time !== undefined)
      child.once('close', () => {
        forgetFaketime(child.pid)
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

  /** A server or daemon; resolves with its first line once it has said it. */
  const serve = (
    program: string,
    words: readonly string[],
    options: RunOptions = {},
  ): Promise<{
    child: ChildProcess
    line: string
    /** What it has said on standard error. */
    log: () => string
    stop: (signal?: NodeJS.Signals) => Promise<number | null>
  }> =>
    new Promise((resolve, reject) => {
      const child = start(program, words, options)
      let said = ''
      let stderr = ''
      const ended = new Promise<number | null>((end) => child.once('close', end))
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (!said.includes('\n')) return
        resolve({
          child,
          line: said.split('\n', 1)[0] ?? '',
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
   * A clock that runs so many times too fast: the environment of whatever shall believe it. All of them have the same
   * time, where each of those started under `faketime` for itself begins anew.
   */
  const fastClock = (speed: number): Promise<Record<string, string>> =>
    new Promise((resolve, reject) => {
      const tell = 'printf "%s\\n" "$LD_PRELOAD" "$FAKETIME" "$FAKETIME_SHARED" end; exec sleep infinity'
      const child = spawn('faketime', ['-f', `+0 x${speed}`, 'sh', '-c', tell], {
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
      })
      started.push(child)
      child.once('error', reject)
      child.once('close', () => {
        forgetFaketime(child.pid)
      })
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const [preload = '', time = '', shared = '', end] = said.split('\n')
        if (end !== undefined && end !== '')
          resolve({
            LD_PRELOAD: preload,
            FAKETIME: time,
            FAKETIME_SHARED: shared,
            ...WITHOUT_SERVER_TIMEOUTS,
          })
      })
    })

  /** A command that goes on saying things until it is killed. */
  const follow = (words: readonly string[]) => {
    const child = start('smart-agent', ['--data-dir', box(), ...words])
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
    return {
      saying: (what: RegExp): Promise<void> =>
        new Promise((resolve) => {
          const look = () => {
            if (!what.test(said)) return
            child.stdout?.off('data', look)
            resolve()
          }
          child.stdout?.on('data', look)
          look()
        }),
    }
  }

  const box = (name = 'box') => join(directory, name)
  const agent = (words: readonly string[], options: RunOptions & { box?: string } = {}) =>
    run('smart-agent', ['--data-dir', box(options.box), ...words], options)
  const authority = (words: readonly string[], options: RunOptions = {}) =>
    run('smart-authority', ['--data-dir', box('authority'), ...words], options)

  /** A command that must succeed; gives its JSON document. */
  const good = async <T>(ended: Promise<Ended>): Promise<T> => {
    const { code, stdout, stderr } = await ended
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as T
  }

  /** A new box that knows the authority there by its root certificate. */
  const knowAuthority = async (url: string, root: string, name = 'box', serial = name.toUpperCase()) => {
    const pem = join(directory, 'root.pem')
    writeFileSync(pem, root)
    await good(
      agent(['init', '--pid', 'CWMS-K9', '--serial', serial, '--trust', pem, '--json'], { box: name }),
    )
    await good(agent(['transport', 'direct', url, '--json'], { box: name }))
  }

  return {
    directory,
    box,
    start,
    run,
    serve,
    fastClock,
    follow,
    agent,
    authority,
    good,
    status: (options: RunOptions & { box?: string } = {}) =>
      good<Status>(agent(['status', '--json'], options)),
    /** The authority of acme.example; what is served at one address stays there. */
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
      const words = ['--data-dir', box('authority'), 'serve', '--listen', `${host}:${port}`, ...more]
      const server = await serve('smart-authority', words, options)
      const url = server.line.replace('listening on ', '')
      return { ...server, url, port: Number(new URL(url).port) }
    },
    daemon: (options: RunOptions & { box?: string } = {}) =>
      serve('smart-agent', ['--data-dir', box(options.box), 'run'], options),
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
    /** A new box that knows its authority. */
    initBox: async (url: string, name = 'box', serial = name.toUpperCase()) => {
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

/** The one JSON error line a program printed last. */
export const parseError = ({ stderr }: Ended): { code: string; message: string; remedy: string } => {
  const line = stderr.trimEnd().split('\n').at(-1) ?? ''
  return (JSON.parse(line) as { error: { code: string; message: string; remedy: string } }).error
}
