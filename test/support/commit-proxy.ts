import { connect, createServer, type Socket } from 'node:net'

/** Point at which the connection is cut: before the commit reaches the database, or before its answer returns. */
export type CutPoint = 'before' | 'after' | 'not'

/** Starts a TCP proxy to a PostgreSQL server that can cut the connection at the next commit. */
export async function startCommitProxy(server: string) {
  const { port: serverPort, hostname } = new URL(server)
  let cut: CutPoint = 'not'
  let cuts = 0
  const open = new Set<Socket>()
  const proxy = createServer((client) => {
    const database = connect({ host: hostname, port: Number(serverPort) })
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
    let isAnswerDropped = false
    client.on('data', (data) => {
      if (cut === 'not' || !data.includes('commit\0')) {
        database.write(data)
        return
      }
      const point = cut
      cut = 'not'
      cuts++
      if (point === 'before') {
        end()
        return
      }
      isAnswerDropped = true
      database.write(data)
    })
    database.on('data', (data) => {
      if (isAnswerDropped) end()
      else client.write(data)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: (database: string) => Object.assign(new URL(database), { port: String(port) }).href,
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
