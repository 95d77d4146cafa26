import { AsyncLocalStorage } from 'node:async_hooks'

/** The originator of an action: a user of the web console, a client of the API, or a user of the command line. */
export type Actor =
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'api-client'; readonly name: string }
  | { readonly kind: 'command-line'; readonly name: string }

const actorStorage = new AsyncLocalStorage<Actor | null>()

/** Runs work on behalf of an actor, whose name is in the records of the work. Null stands for scheduled work. */
export const runAs = <T>(actor: Actor | null, work: () => T): T => actorStorage.run(actor, work)

/**
 * Formats the name of an actor for records. A user's name has no blanks or parentheses, so it cannot imitate an actor of
 * another kind.
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

/** Returns the name of the actor of the current work; null for scheduled work. */
export function getCurrentActor(): string | null {
  const actor = actorStorage.getStore()
  return actor ? formatActor(actor) : null
}
