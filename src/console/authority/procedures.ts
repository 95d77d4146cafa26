import type { Authority } from '../../authority/authority.ts'
import type { Procedures } from '../../http/procedures.ts'
import { alertProcedures } from './alerts.ts'
import { eventProcedures } from './events.ts'
import { instanceProcedures } from './instances.ts'
import { licenseProcedures } from './licenses.ts'
import { mailProcedures } from './mail.ts'
import { notificationProcedures } from './notifications.ts'
import { orderProcedures } from './orders.ts'
import { overviewProcedures } from './overview.ts'
import { reportProcedures } from './reports.ts'
import { reservationProcedures } from './reservations.ts'
import { satelliteProcedures } from './satellites.ts'
import { syncProcedures } from './sync.ts'
import { tokenProcedures } from './tokens.ts'
import { virtualAccountProcedures } from './virtual-accounts.ts'

/** Returns the procedures of an authority's console. */
export const authorityProcedures = (authority: Authority): Procedures => ({
  ...overviewProcedures(authority),
  ...virtualAccountProcedures(authority),
  ...tokenProcedures(authority),
  ...licenseProcedures(authority),
  ...instanceProcedures(authority),
  ...eventProcedures(authority),
  ...alertProcedures(authority),
  ...notificationProcedures(authority),
  ...reportProcedures(authority),
  ...reservationProcedures(authority),
  ...orderProcedures(authority),
  ...satelliteProcedures(authority),
  ...syncProcedures(authority),
  ...mailProcedures(authority),
})
