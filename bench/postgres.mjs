// Starts a PostgreSQL server for the benchmarks, with the default durability settings.
import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/**
 * Starts the server. As root, runs it as the user `postgres`, because PostgreSQL refuses to run as root.
 *
 * @returns functions that create a database and stop the server
 */
export async function startPostgres() {
  const directory = mkdtempSync(join(tmpdir(), 'sla-bench-postgres-'))
  const [newest] = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  const root = process.getuid() === 0
  if (root) {
    const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
    chownSync(directory, id('-u'), id('-g'))
  }
  const run = (program, ...args) => {
    const command = [join('/usr/lib/postgresql', newest, 'bin', program), ...args]
    const [first, ...rest] = root ? ['runuser', '-u', 'postgres', '--', ...command] : command
    execFileSync(first, rest, { stdio: 'ignore', cwd: '/' })
  }
  const data = join(directory, 'data')
  const port = await freePort()
  run('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8')
  run(
    'pg_ctl',
    '-D',
    data,
    '-o',
    `-p ${port} -k ${directory} -c listen_addresses=127.0.0.1`,
    '-l',
    join(directory, 'log'),
    '-w',
    'start',
  )
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let count = 0
  return {
    database: async () => {
      const name = `bench_${count++}`
      const client = new pg.Client(url)
      await client.connect()
      await client.query(`create database ${name}`)
      await client.end()
      return Object.assign(new URL(url), { pathname: `/${name}` }).href
    },
    stop: () => {
      run('pg_ctl', '-D', data, '-m', 'immediate', 'stop')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
