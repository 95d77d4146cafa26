import { useSyncExternalStore } from 'react'

const onHashChange = (changed: () => void) => {
  window.addEventListener('hashchange', changed)
  return () => {
    window.removeEventListener('hashchange', changed)
  }
}

/** Returns the path segments after `#/`, without the query. The browser history keeps the route. */
export function useRoute(): string[] {
  const hash = useSyncExternalStore(onHashChange, () => window.location.hash)
  return hash
    .replace(/^#\/?/, '')
    .replace(/\?.*$/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => {
      try {
        return decodeURIComponent(part)
      } catch {
        return part
      }
    })
}

export const buildHref = (...parts: readonly string[]): string =>
  `#/${parts.map(encodeURIComponent).join('/')}`

export const navigate = (...parts: readonly string[]): void => {
  window.location.hash = buildHref(...parts)
}
