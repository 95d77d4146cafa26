import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'

/** Queue of connections not accepted yet, for all clients reconnecting at once. The kernel may have a lower limit. */
const BACKLOG = 4096

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** True if the address belongs to this process alone among the workers of a cluster. */
  readonly exclusive?: boolean
}

/** Converts a system error of listening on an address. @param remedy default: that of the error table */
export function toAddressInUseError(
  { host, port }: ListenAddress,
  error: unknown,
  remedy?: string,
): LicensingError {
  const message = `Cannot listen on ${host}:${port} (${errnoCode(error)}).`
  return new LicensingError('ADDRESS_IN_USE', message, { ...(remedy !== undefined && { remedy }) })
}

/** Subset of a Fastify server. */
interface Listener {
  listen: (at: ListenAddress & { backlog: number }) => PromiseLike<unknown>
  readonly server: { address: () => { port: number } | string | null }
}

/** @returns the port @throws LicensingError ADDRESS_IN_USE */
export async function listen(server: Listener, at: ListenAddress): Promise<number> {
  try {
    await server.listen({ ...at, backlog: BACKLOG })
  } catch (error) {
    throw toAddressInUseError(at, error)
  }
  const address = server.server.address()
  return typeof address === 'object' && address !== null ? address.port : at.port
}
