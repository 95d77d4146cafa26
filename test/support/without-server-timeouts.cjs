// Preloaded into programs with a fast clock: Node's timeouts follow that clock and would close every connection at once.
const http = require('node:http')
const https = require('node:https')
const { syncBuiltinESMExports } = require('node:module')

const MAX_TIMER_MS = 2 ** 31 - 1
const none = {
  headersTimeout: 0,
  requestTimeout: 0,
  keepAliveTimeout: 0,
  handshakeTimeout: MAX_TIMER_MS,
}
for (const module of [http, https]) {
  const { createServer, Server } = module
  module.createServer = (options, listener) =>
    typeof options === 'function'
      ? createServer(none, options)
      : createServer({ ...options, ...none }, listener)
  Server.prototype.setTimeout = function () {
    return this
  }
}
syncBuiltinESMExports()
