// Holds connections to a server open: a number of idle ones, and a number that send a body one byte a second. Prints a line
// when all are open, and the number that the server has closed for each line on standard input.
import { connect } from 'node:tls'

const [url, idle, slow] = process.argv.slice(2)
const { hostname: host, port } = new URL(url)
let ended = 0

const open = () =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => resolve(socket))
    socket.on('error', reject)
    socket.on('close', () => ended++)
    socket.resume()
  })

async function many(count, use) {
  let left = count
  const work = async () => {
    while (left-- > 0) use(await open())
  }
  await Promise.all(Array.from({ length: 50 }, work))
}

const drips = []
await many(Number(idle), () => undefined)
await many(Number(slow), (socket) => {
  socket.write(
    `POST /smart-agent/v1/hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 250000\r\n\r\n{"`,
  )
  drips.push(socket)
})
setInterval(() => {
  for (const socket of drips) if (socket.writable) socket.write('a')
}, 1000)
console.log(JSON.stringify({ idle: Number(idle), slow: Number(slow), ended }))
process.stdin.on('data', () => console.log(JSON.stringify({ ended })))
