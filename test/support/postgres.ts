import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
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
  /** Creates an empty database and returns its URL. */
  database(): Promise<string>
  /** Stops the server at once, as a machine crash does. Committed data is available again after `start`. */
  crash(): void
  start(): void
  stop(): void
  /**
   * Stops the primary at once and starts a hot standby at its address, as a managed database does.
   *
   * @returns a function that promotes the standby, so that it accepts writes
   */
  failOver(): () => void
}

/** Starts a server on the loopback address. As root it runs as the user `postgres`, since PostgreSQL refuses to run as root. */
export async function startPostgres(options: { durable?: boolean } = {}): Promise<Postgres> {
  const directory = mkdtempSync(join(tmpdir(), 'sla-postgres-'))
  const port = await freePort()
  const root = process.getuid?.() === 0
  if (root) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
    chownSync(directory, id('-u'), id('-g'))
  }
  const run = (program: string, ...args: string[]) => {
    const command = [getPostgresProgram(program), ...args]
    const [first = '', ...rest] = root ? ['runuser', '-u', 'postgres', '--', ...command] : command
    execFileSync(first, rest, { stdio: 'ignore', cwd: '/' })
  }
  let data = join(directory, 'data')
  run('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync')
  const settings = [
    `-p ${port} -k ${directory} -c listen_addresses=127.0.0.1 -c max_connections=200`,
    options.durable ? '' : '-c fsync=off -c synchronous_commit=off -c full_page_writes=off',
  ].join(' ')
  const start = () => {
    run('pg_ctl', '-D', data, '-o', settings, '-l', join(directory, 'log'), '-w', 'start')
  }
  start()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  return {
    url,
    database: () => createDatabase(url),
    start,
    crash: () => {
      run('pg_ctl', '-D', data, '-m', 'immediate', 'stop')
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
      rmSync(directory, { recursive: true, force: true })
    },
  }
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
