import type { ManagerEndpoint } from '../../authority/satellite-sync/sync-service.ts'
import type { ProxyOptions } from '../proxy-settings.ts'

/** How a manager is reached, from the command line. */
export async function parseEndpoint(url: string, options: ProxyOptions) {
  if (options.via === undefined) return { kind: 'direct' as const, url }
  const { readProxySettings } = await import('../proxy-settings.ts')
  return (await readProxySettings(url, options)).settings
}

export const formatEndpoint = ({ url, via, username }: ManagerEndpoint): string =>
  `The manager is at ${url}${via === null ? '' : `, by the proxy ${via}${username === null ? '' : ` as ${username}`}`}`
