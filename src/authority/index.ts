/** The licensing authority, in process. */
export { Authority } from './authority.ts'
export { ALERT_TYPES, type AlertDocument, type AlertSeverity, type AlertType } from './alerts/alerts.ts'
export type { Where } from './context.ts'
export type { InstanceDocument } from './inventory/instances.ts'
export type { LicenseTransaction } from './inventory/license-transactions.ts'
export { type ReportDocument, type ReportKind, toCsv } from './reports/reports.ts'
export type { ServerLogger } from '../core/server-logger.ts'
export type { TokenDocument } from './inventory/tokens.ts'
