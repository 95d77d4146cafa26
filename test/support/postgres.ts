import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** Returns the path of a program of the newest PostgreSQL version, in Debian's layout. */
export function getPostgresProgram(name: string): string {
  const all = '/usr/lib/postgresql'
  const [newest] = readdirSync(all).sort((a, b) => Number(b) - Number(a))
  return join(all, newest ?? '', 'bin', name)
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        resolve(typeof address === 'object' && address ? address.port : 0)
      })
    })
  })

/** A PostgreSQL server in a temporary directory. */
export interface Postgres {
  readonly url: string
  /** URL by its socket in the file system, for tests outside its network. */
  readonly localUrl: string
  /** Creates an empty database and returns its URL. */
  database(): Promise<string>
  /** Stops the server at once, as a machine crash does. Committed data is available again after `start`. */
  crash(): void
  start(): void
  stop(): void
  isRunning(): boolean
  /** Fills the file system of a server with `diskMebibytes`, until `freeDisk`. */
  fillDisk(): void
  freeDisk(): void
  /**
   * Stops the primary at once and starts a hot standby at its address, as a managed database does.
   *
   * @returns a function that promotes the standby, so that it accepts writes
   */
  failOver(): () => void
}

/** Returns a command that runs as the user `postgres`. Its programs refuse to run as root. */
export const asPostgresUser = (command: readonly string[]): readonly string[] =>
  process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...command] : command

/**
 * Starts a server, on the loopback address unless another is given.
 *
 * @param options.network network namespace and address of the server
 * @param options.diskMebibytes size of a file system of its own for the data, which requires root
 */
export async function startPostgres(
  options: {
    durable?: boolean
    network?: { readonly name: string; readonly host: string }
    diskMebibytes?: number
  } = {},
): Promise<Postgres> {
  const { network, diskMebibytes } = options
  const host = network?.host ?? '127.0.0.1'
  const directory = mkdtempSync(join(tmpdir(), 'sla-postgres-'))
  const port = await freePort()
  const root = process.getuid?.() === 0
  if (diskMebibytes !== undefined)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMebibytes}m`, 'tmpfs', directory])
  if (root) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
    chownSync(directory, id('-u'), id('-g'))
  }
  const run = (program: string, ...args: string[]) => {
    const inNetwork = network === undefined ? [] : ['ip', 'netns', 'exec', network.name]
    const [first = '', ...rest] = [...inNetwork, ...asPostgresUser([getPostgresProgram(program), ...args])]
    execFileSync(first, rest, { stdio: 'ignore', cwd: '/' })
  }
  let data = join(directory, 'data')
  run('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync')
  const settings = [
    `-p ${port} -k ${directory} -c listen_addresses=${host} -c max_connections=200`,
    options.durable ? '' : '-c fsync=off -c synchronous_commit=off -c full_page_writes=off',
  ].join(' ')
  const start = () => {
    run('pg_ctl', '-D', data, '-o', settings, '-l', join(directory, 'log'), '-w', 'start')
  }
  if (network !== undefined) {
    // The namespace is reached by its address, and the test by the socket in the file system.
    appendFileSync(join(data, 'pg_hba.conf'), 'host all all all trust\n')
  }
  start()
  const url = `postgres://postgres@${host}:${port}/postgres`
  const localUrl = `postgres://postgres@127.0.0.1:${port}/postgres?host=${encodeURIComponent(directory)}`
  const ballast = join(directory, 'ballast')
  return {
    url,
    localUrl,
    database: async () => {
      const { pathname } = new URL(await createDatabase(localUrl))
      return Object.assign(new URL(url), { pathname }).href
    },
    start,
    crash: () => {
      run('pg_ctl', '-D', data, '-m', 'immediate', 'stop')
    },
    isRunning: () => {
      try {
        run('pg_ctl', '-D', data, 'status')
        return true
      } catch {
        return false
      }
    },
    fillDisk: () => {
      const { bavail, bsize } = statfsSync(directory)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    },
    freeDisk: () => {
      rmSync(ballast)
    },
    failOver: () => {
      const standby = join(directory, 'standby')
      run('pg_basebackup', '-d', url, '-D', standby, '-R', '-c', 'fast')
      run('pg_ctl', '-D', data, '-m', 'immediate', 'stop')
      data = standby
      start()
      return () => {
        run('pg_ctl', '-D', standby, '-w', 'promote')
      }
    },
    stop: () => {
      run('pg_ctl', '-D', data, '-m', 'immediate', 'stop')
      if (diskMebibytes !== undefined) execFileSync('umount', ['--lazy', directory])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Replaces a database by a copy of another one on the same server. No program may be connected to either. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  const [source, target] = [from, to].map((url) => new URL(url).pathname.slice(1))
  const client = new pg.Client(Object.assign(new URL(from), { pathname: '/postgres' }).href)
  await client.connect()
  await client.query(`drop database if exists ${target ?? ''}`)
  await client.query(`create database ${target ?? ''} template ${source ?? ''}`)
  await client.end()
}

/** Creates an empty database on a server and returns its URL. */
export async function createDatabase(server: string): Promise<string> {
  const name = `sla_${randomBytes(6).toString('hex')}`
  const client = new pg.Client(server)
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  return Object.assign(new URL(server), { pathname: `/${name}` }).href
}
