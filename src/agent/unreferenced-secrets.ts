import {
  identitySchema,
  pendingRequestSchema,
  pendingRegistrationSchema,
  RESERVATION_SEED_FILE,
} from './persisted-state.ts'
import type { AgentStore } from './store.ts'
import { PROXY_PASSWORD_KEY_FILE } from './transport-manager.ts'

/** Deletes secrets that no document references, such as tokens of finished registrations and replaced keys. */
export function deleteUnreferencedSecrets(store: AgentStore): void {
  const registering = store.read('registering', pendingRegistrationSchema)
  const names = [
    registering?.token,
    registering?.key,
    store.read('identity', identitySchema)?.key,
    store.read('outstanding', pendingRequestSchema)?.key,
    PROXY_PASSWORD_KEY_FILE,
    RESERVATION_SEED_FILE,
  ]
  store.secrets.deleteExcept(new Set(names.filter((name) => typeof name === 'string')))
}
