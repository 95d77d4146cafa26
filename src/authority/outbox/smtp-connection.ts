import dns from 'node:dns/promises'
import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { LicensingError } from '../../core/errors.ts'
import { startDeadline } from '../../transports/deadline.ts'
import { isAddressAllowed } from '../../transports/target-address.ts'

/**
 * Opens a TCP connection to a mail server, whose addresses must be allowed. The connection uses the addresses that were
 * checked.
 *
 * @throws LicensingError ADDRESS_FORBIDDEN
 * @throws Error of the resolver or the system
 */
export async function openSmtpConnection(
  { host, port }: { host: string; port: number },
  timeoutMs: number,
): Promise<Socket> {
  const deadline = startDeadline(timeoutMs)
  try {
    const family = isIP(host)
    const addresses: LookupAddress[] =
      family === 0 ? await dns.lookup(host, { all: true, order: 'verbatim' }) : [{ address: host, family }]
    const forbidden = addresses.find(({ address }) => !isAddressAllowed(address))
    if (forbidden)
      throw new LicensingError(
        'ADDRESS_FORBIDDEN',
        `${host} has the address ${forbidden.address}, to which connections are not allowed.`,
      )
    const socket = connect({
      host,
      port,
      lookup: (_host, _options, callback) => {
        callback(null, addresses)
      },
      autoSelectFamily: true,
    })
    try {
      await once(socket, 'connect', { signal: deadline.signal })
    } catch (error) {
      socket.destroy()
      throw deadline.signal.aborted
        ? Object.assign(new Error(`${host} did not accept the connection in time`), { code: 'ETIMEDOUT' })
        : error
    }
    return socket
  } finally {
    deadline.stop()
  }
}
