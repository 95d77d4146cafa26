import { LicensingError } from '../core/errors.ts'
import type { TransportSettings } from '../transports/transport.ts'
import { readSecret } from './secrets.ts'

export interface ProxyOptions {
  readonly via?: string
  readonly username?: string
  readonly passwordFile?: string
  readonly fromEnvironment?: boolean
}

/** The settings of a proxy from the command line, and where they came from in words. */
export async function readProxySettings(
  url: string,
  options: ProxyOptions,
): Promise<{ settings: TransportSettings; how: string }> {
  if (options.fromEnvironment) {
    if (options.via !== undefined || options.username !== undefined || options.passwordFile !== undefined)
      throw new LicensingError(
        'USAGE',
        '--from-environment takes the place of --via, --username and --password-file.',
      )
    return readEnvironmentProxy(url, process.env)
  }
  const { via, username } = options
  if (via === undefined)
    throw new LicensingError('USAGE', 'The proxy is missing: --via http://HOST, or --from-environment.')
  const password = await readPassword(options)
  return {
    settings: {
      kind: 'proxy',
      url,
      via,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    },
    how: '',
  }
}

/** The password of a file, standard input or a prompt; undefined where nobody is there to give one. */
async function readPassword({ username, passwordFile }: ProxyOptions): Promise<string | undefined> {
  if (passwordFile === undefined && (username === undefined || !process.stdin.isTTY)) return undefined
  const text = await readSecret({
    ...(passwordFile === '-' ? { argument: '-' } : { file: passwordFile }),
    what: 'password of the proxy',
  })
  // The end of a file's line is not part of a password; whatever else stands there is.
  const password = text.replace(/\r?\n$/, '')
  if (password === '')
    throw new LicensingError('PROXY_CREDENTIALS_INVALID', 'The password of the proxy is empty.')
  if (password.includes('\uFFFD'))
    throw new LicensingError('PROXY_CREDENTIALS_INVALID', 'The password of the proxy is not UTF-8 text.')
  return password
}

/** What the environment says of a proxy, adopted on purpose: it is stored, and the environment is not asked again. */
function readEnvironmentProxy(
  url: string,
  environment: NodeJS.ProcessEnv,
): { settings: TransportSettings; how: string } {
  const name = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'].find((one) => environment[one])
  if (name === undefined)
    throw new LicensingError('PROXY_URL_INVALID', 'The environment names no proxy: HTTPS_PROXY is not set.')
  const invalid = new LicensingError('PROXY_URL_INVALID', `What ${name} says is not the URL of a proxy.`)
  let proxy: URL
  try {
    const said = environment[name] ?? ''
    // Without a scheme, as other programs take it, it is an HTTP proxy.
    proxy = new URL(said.includes('://') ? said : `http://${said}`)
  } catch {
    throw invalid
  }
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text)
    } catch {
      throw invalid
    }
  }
  // In the environment a port that is left out is the scheme's own, as every other program has it.
  const port = proxy.port || (proxy.protocol === 'https:' ? '443' : '80')
  return {
    settings: {
      kind: 'proxy',
      url,
      via: `${proxy.protocol}//${proxy.hostname}:${port}`,
      ...(proxy.username !== '' && { username: decode(proxy.username), password: decode(proxy.password) }),
    },
    how: `, as ${name} says now; the environment is not asked again, and NO_PROXY is not looked at`,
  }
}
