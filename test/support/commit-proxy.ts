import { connect, createServer, type Socket } from 'node:net'

/** When the connection ends at a commit: before the database has heard of it, or before its answer has come back. */
export type CutPoint = 'before' | 'after' | 'not'

/** A wire to a PostgreSQL server that breaks at the next commit, once. */
export async function startCommitProxy(server: string) {
  const { port, hostname } = new URL(server)
  let cut: CutPoint = 'not'
  let cuts = 0
  const open = new Set<Socket>()
  const proxy = createServer((client) => {
    const database = connect({ host: hostname, port: Number(port) })
    const end = () => {
      client.destroy()
      database.destroy()
    }
    for (const socket of [client, database]) {
      open.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        open.delete(socket)
        end()
      })
    }
    let silent = false
    client.on('data', (data) => {
      if (cut === 'not' || !data.includes('commit\0')) {
        database.write(data)
        return
      }
      const here = cut
      cut = 'not'
      cuts++
      if (here === 'before') {
        end()
        return
      }
      silent = true
      database.write(data)
    })
    database.on('data', (data) => {
      if (silent) end()
      else client.write(data)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  const through = typeof address === 'object' && address ? address.port : 0
  return {
    url: (database: string) => Object.assign(new URL(database), { port: String(through) }).href,
    cutNextCommit: (when: CutPoint) => {
      cut = when
    },
    cuts: () => cuts,
    close: () => {
      for (const socket of open) socket.destroy()
      proxy.close()
    },
  }
}
