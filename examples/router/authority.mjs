// Runs an authority for the development of the router: node examples/router/authority.mjs DIR
// Writes its root certificate and a registration token to DIR, and prints its URL.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from 'smart-licensing-agent/authority'
import { profile } from './profile.mjs'

const [directory = 'licensing-development'] = process.argv.slice(2)
const dataDir = join(directory, 'authority')
await Authority.init({ dataDir, account: 'example.com', acceptAgreement: true, profile })
const authority = await Authority.open({ dataDir })
await authority.orders.create({ sku: 'RT-TUNNEL', quantity: 2 })
const { token } = await authority.tokens.create({ days: 30 })
writeFileSync(join(directory, 'root.pem'), authority.trustAnchor())
writeFileSync(join(directory, 'token'), token, { mode: 0o600 })
console.log(await authority.listen({ host: '127.0.0.1', port: 0 }))
process.once('SIGTERM', () => authority.close())
