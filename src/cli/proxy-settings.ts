import { LicensingError } from '../core/errors.ts'
import type { TransportSettings } from '../transports/transport.ts'
import { readSecret } from './secrets.ts'

export interface ProxyOptions {
  readonly via?: string
  readonly username?: string
  readonly passwordFile?: string
  readonly fromEnvironment?: boolean
}

/** Reads the proxy settings of the command line, and returns their origin as text in `how`. */
export async function readProxySettings(
  url: string,
  options: ProxyOptions,
): Promise<{ settings: TransportSettings; how: string }> {
  if (options.fromEnvironment) {
    if (options.via !== undefined || options.username !== undefined || options.passwordFile !== undefined)
      throw new LicensingError(
        'USAGE',
        '--from-environment cannot be combined with --via, --username or --password-file.',
      )
    return readEnvironmentProxy(url, process.env)
  }
  const { via, username } = options
  if (via === undefined)
    throw new LicensingError('USAGE', 'The proxy is missing. Give --via http://HOST, or --from-environment.')
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

/** Reads the password from a file, standard input or a prompt. Returns undefined when no password was given. */
async function readPassword({ username, passwordFile }: ProxyOptions): Promise<string | undefined> {
  if (passwordFile === undefined && (username === undefined || !process.stdin.isTTY)) return undefined
  const text = await readSecret({
    ...(passwordFile === '-' ? { argument: '-' } : { file: passwordFile }),
    what: 'password of the proxy',
  })
  // Only the line end is removed: other white space may be part of the password.
  const password = text.replace(/\r?\n$/, '')
  if (password === '')
    throw new LicensingError('PROXY_CREDENTIALS_INVALID', 'The password of the proxy is empty.')
  if (password.includes('\uFFFD'))
    throw new LicensingError('PROXY_CREDENTIALS_INVALID', 'The password of the proxy is not UTF-8 text.')
  return password
}

/** Reads the proxy settings from the environment once. The agent stores them and does not read the environment again. */
function readEnvironmentProxy(
  url: string,
  environment: NodeJS.ProcessEnv,
): { settings: TransportSettings; how: string } {
  const name = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'].find(
    (variable) => environment[variable],
  )
  if (name === undefined)
    throw new LicensingError(
      'PROXY_URL_INVALID',
      'The environment names no proxy. Set HTTPS_PROXY, or give --via.',
    )
  const invalid = new LicensingError('PROXY_URL_INVALID', `The value of ${name} is not a valid proxy URL.`)
  let proxy: URL
  try {
    const value = environment[name] ?? ''
    // By convention, a value without a scheme names an HTTP proxy.
    proxy = new URL(value.includes('://') ? value : `http://${value}`)
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
  // By convention, the port of an environment variable defaults to the scheme's own, not to 3128.
  const port = proxy.port || (proxy.protocol === 'https:' ? '443' : '80')
  return {
    settings: {
      kind: 'proxy',
      url,
      via: `${proxy.protocol}//${proxy.hostname}:${port}`,
      ...(proxy.username !== '' && { username: decode(proxy.username), password: decode(proxy.password) }),
    },
    how: `, read from ${name} once; later changes of the environment and NO_PROXY have no effect`,
  }
}
