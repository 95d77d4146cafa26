/** Conferencing module: host licenses, meetings and deployment of a conferencing server, with its profile. */
export type { Conferencing, ConferencingCommandName } from './commands.ts'
export type { SystemDocument } from './deployment-api.ts'
export type { HostDocument } from './hosts-api.ts'
export type { MeetingDocument, MeetingRequest } from './meetings-api.ts'
export { conferencingProfile } from './profile.ts'
export type { ConferencingSettings, Size } from './settings.ts'
export { conferencing } from './module.ts'
export type { ConferencingStatus } from './state.ts'
