import type { ManagerEndpoint } from '../../authority/satellite-sync/sync-service.ts'
import type { ProxyOptions } from '../proxy-settings.ts'

/** Parses the options that say how a satellite reaches its manager. */
export async function parseEndpoint(url: string, options: ProxyOptions) {
  if (options.via === undefined) return { kind: 'direct' as const, url }
  const { readProxySettings } = await import('../proxy-settings.ts')
  return (await readProxySettings(url, options)).settings
}

export const formatEndpoint = ({ url, via, username }: ManagerEndpoint): string =>
  `The manager is at ${url}${via === null ? '' : `, through the proxy ${via}${username === null ? '' : ` as ${username}`}`}`
