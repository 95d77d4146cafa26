import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ProfileInput } from '../../src/core/profile.ts'
import { replaceFile } from '../../src/storage/atomic-file.ts'
import { createMockAuthorityParts, type MockAuthorityParts } from '../authority-parts.ts'
import type { FaultNetwork } from '../network/fault-network.ts'
import { createTemporaryDirectory } from '../temporary-directory.ts'
import { createLabApi } from './lab-api.ts'

export interface LabOptions {
  /** Address of all ports: loopback, or 0.0.0.0 in a container. */
  readonly host: string
  /** Ports; 0 for a free one. */
  readonly ports: {
    readonly authority: number
    readonly gateway: number
    readonly proxy: number
    readonly lockedProxy: number
    readonly api: number
  }
  /** Further host names of the certificates, such as the name of a container. */
  readonly names: readonly string[]
  readonly profile: ProfileInput | null
  /** Purchased licenses, by tag. */
  readonly licenses: ReadonlyMap<string, number>
  /** True to answer as a satellite. */
  readonly satellite: boolean
  /** User and password of the locked proxy. */
  readonly proxyUser: { readonly username: string; readonly password: string }
}

/** Addresses and files of a running lab. */
export interface LabInfo {
  /** URL of the license server. */
  readonly url: string
  /** URL of a gateway that relays to the license server. */
  readonly gateway: string
  /** Proxy that takes everybody. */
  readonly proxy: string
  /** Proxy that takes only the user, whose password is in `proxyPasswordFile`. */
  readonly lockedProxy: string
  readonly proxyUsername: string
  readonly proxyPasswordFile: string
  /** URL of the fault API. */
  readonly api: string
  /** File with the bearer token of the fault API. */
  readonly bearerFile: string
  /** Page to switch faults. Its URL contains the bearer token. */
  readonly page: string
  /** File with the root certificate for devices. */
  readonly trustFile: string
  /** File with the CA of the inspecting middlebox (fault `tls-inspected`). */
  readonly middleboxCaFile: string
  /** File with a registration token. `POST /tokens` creates more. */
  readonly tokenFile: string
}

/** Laboratory of transport failures for products in any language: license server, gateway, proxies, and a fault API. */
export class Lab {
  readonly info: LabInfo
  readonly #mock: MockAuthorityParts
  readonly #directory: string
  readonly #closeApi: () => Promise<void>

  private constructor(
    info: LabInfo,
    parts: { mock: MockAuthorityParts; directory: string; closeApi: () => Promise<void> },
  ) {
    this.info = info
    this.#mock = parts.mock
    this.#directory = parts.directory
    this.#closeApi = parts.closeApi
  }

  /** Starts a lab. @throws an error of the system for a port in use, LicensingError PROFILE_INVALID, UNKNOWN_TAG */
  static async start(options: LabOptions): Promise<Lab> {
    const { profile, satellite } = options
    const mock = await createMockAuthorityParts({
      satellite,
      licenses: Object.fromEntries(options.licenses),
      ...(profile && { profile }),
    })
    const directory = createTemporaryDirectory('smart-licensing-lab-')
    try {
      return await Lab.#open(options, mock, directory)
    } catch (error) {
      await mock.close()
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
  }

  static async #open(options: LabOptions, mock: MockAuthorityParts, directory: string): Promise<Lab> {
    const { host, names, ports, proxyUser } = options
    const network = await mock.startNetwork(
      (details) => mock.authority.operations.server.createTestTls(details),
      {
        address: host,
        names,
        port: ports.authority,
        gatewayPort: ports.gateway,
        proxy: { port: ports.proxy },
        lockedProxy: { port: ports.lockedProxy, ...proxyUser },
      },
    )
    const createToken = async () => (await mock.licenseServer.tokens.create({ days: 365 })).token
    const bearer = randomBytes(24).toString('base64url')
    const api = await createLabApi({ mock, network, createToken, bearer })
    await api.listen({ host, port: ports.api })
    const files = await writeFiles(directory, { mock, network, bearer, proxyUser, createToken })
    const name = names[0] ?? 'localhost'
    const apiUrl = `http://${name}:${(api.server.address() as { port: number }).port}`
    const [proxyPort, lockedPort] = network.proxyPorts
    const info: LabInfo = {
      url: network.settings('direct').url.replace('localhost', name),
      gateway: network.settings('gateway').url.replace('localhost', name),
      proxy: `http://${name}:${proxyPort}`,
      lockedProxy: `http://${name}:${lockedPort}`,
      proxyUsername: proxyUser.username,
      api: apiUrl,
      page: `${apiUrl}/#${bearer}`,
      ...files,
    }
    return new Lab(info, { mock, directory, closeApi: () => api.close() })
  }

  async close(): Promise<void> {
    await this.#closeApi()
    await this.#mock.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Writes what a device needs to files that only the user can read. */
async function writeFiles(
  directory: string,
  {
    mock,
    network,
    bearer,
    proxyUser,
    createToken,
  }: {
    mock: MockAuthorityParts
    network: FaultNetwork
    bearer: string
    proxyUser: LabOptions['proxyUser']
    createToken: () => Promise<string>
  },
) {
  const write = (name: string, text: string) => {
    const path = join(directory, name)
    replaceFile(path, text)
    return path
  }
  // Files of certificates are concatenated, which needs their last line break.
  const writePem = (name: string, text: string) => write(name, `${text.trimEnd()}\n`)
  return {
    bearerFile: write('bearer', bearer),
    trustFile: writePem('root.pem', mock.trustAnchor),
    middleboxCaFile: writePem('middlebox-ca.pem', await network.readMiddleboxCa()),
    tokenFile: write('token', await createToken()),
    proxyPasswordFile: write('proxy-password', proxyUser.password),
  }
}
