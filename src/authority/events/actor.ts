import { AsyncLocalStorage } from 'node:async_hooks'

/** Who does something: somebody signed in at the page, a client of the API, or somebody at the command line. */
export type Actor =
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'api-client'; readonly name: string }
  | { readonly kind: 'command-line'; readonly name: string }

const actorStorage = new AsyncLocalStorage<Actor | null>()

/** Does some work on behalf of somebody: what is recorded on the way bears the name. Null for nobody: what time brings. */
export const runAs = <T>(actor: Actor | null, work: () => T): T => actorStorage.run(actor, work)

/**
 * Somebody as records name them. A user's name holds neither blanks nor brackets, so no name can be made to look like
 * that of another kind.
 */
export function formatActor({ kind, name }: Actor): string {
  switch (kind) {
    case 'user':
      return name
    case 'api-client':
      return `${name} (API client)`
    case 'command-line':
      return `${name} (command line)`
  }
}

/** The name of whoever the present work is done for; null for nobody. */
export function getCurrentActor(): string | null {
  const actor = actorStorage.getStore()
  return actor ? formatActor(actor) : null
}
