// Preloaded into a program: records every network access, including loopback, in the file named by SOCKETS_SEEN. Connections
// to socket files are not recorded.
const { appendFileSync } = require('node:fs')
const net = require('node:net')
const dns = require('node:dns')
const dgram = require('node:dgram')

const note = (what) => appendFileSync(process.env.SOCKETS_SEEN, `${what}\n`)

const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function (...words) {
  const [options] = Array.isArray(words[0]) ? words[0] : words
  const path = typeof options === 'object' && options !== null ? options.path : undefined
  const isFile = typeof path === 'string' || (typeof options === 'string' && Number.isNaN(Number(options)))
  if (!isFile) note(`connect ${JSON.stringify(options?.host ?? options)} ${String(options?.port ?? '')}`)
  return connect.apply(this, words)
}
for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6']) {
  const original = dns[name]
  dns[name] = (...words) => {
    note(`${name} ${String(words[0])}`)
    return original.apply(dns, words)
  }
}
const send = dgram.Socket.prototype.send
dgram.Socket.prototype.send = function (...words) {
  note('send')
  return send.apply(this, words)
}
