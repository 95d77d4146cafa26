import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'

/** Connections that the kernel keeps until they are taken, at most (it may be set to fewer): when all come back at once. */
const BACKLOG = 4096

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** Of this process alone, where several serve together. */
  readonly exclusive?: boolean
}

/** Why an address cannot be listened on, from the system's own error. */
export function toAddressInUseError({ host, port }: ListenAddress, error: unknown): LicensingError {
  return new LicensingError(
    'ADDRESS_IN_USE',
    `It is not possible to listen on ${host}:${port} (${errnoCode(error)}).`,
  )
}

/** A server of the web framework, as far as listening goes. */
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
