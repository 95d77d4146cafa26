import { once } from 'node:events'
import { connect } from 'node:tls'
import { describe, it } from 'vitest'
import { createPrograms } from '../support/programs.ts'

describe('a clock 200,000 times too fast', () => {
  it('does not end an active connection', async () => {
    const other = createPrograms()
    try {
      await other.initAuthority()
      const server = await other.serveAuthority(0, { time: '+0 x200000' })
      const { hostname: host, port } = new URL(server.url)
      const socket = connect({ host, port: Number(port), rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      let received = ''
      socket.setEncoding('utf8').on('data', (text: string) => (received += text))
      for (let i = 1; i <= 20; i++) {
        socket.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
        while ((received.match(/"status":"ok"/g)?.length ?? 0) < i) await once(socket, 'data')
      }
      socket.destroy()
    } finally {
      await other.close()
    }
  })
})
