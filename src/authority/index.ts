/** The licensing authority, in process. */
export { Authority } from './authority.ts'
export { ALERT_TYPES, type AlertDocument, type AlertSeverity, type AlertType } from './alerts.ts'
export type { Where } from './desk.ts'
export type { InstanceDocument } from './instances.ts'
export type { LicenseTransaction } from './license-transactions.ts'
export { type ReportDocument, type ReportKind, toCsv } from './reports.ts'
export type { ServerLogger } from './server.ts'
export type { TokenDocument } from './tokens.ts'
