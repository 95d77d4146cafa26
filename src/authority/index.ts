/** The licensing authority, in process. */
export { Authority } from './authority.ts'
export type { Where } from './desk.ts'
export type { InstanceDocument } from './instances.ts'
export type { ServerLogger } from './server.ts'
export type { TokenDocument } from './tokens.ts'
