import type { Authority } from '../../authority/authority.ts'
import type { Procedures } from '../../http/procedures.ts'
import { createAlertProcedures } from './alerts.ts'
import { createEventProcedures } from './events.ts'
import { createInstanceProcedures } from './instances.ts'
import { createLicenseProcedures } from './licenses.ts'
import { createMailProcedures } from './mail.ts'
import { createNotificationProcedures } from './notifications.ts'
import { createOrderProcedures } from './orders.ts'
import { createOverviewProcedures } from './overview.ts'
import { createReportProcedures } from './reports.ts'
import { createReservationProcedures } from './reservations.ts'
import { createSatelliteProcedures } from './satellites.ts'
import { createSyncProcedures } from './sync.ts'
import { createTokenProcedures } from './tokens.ts'
import { createVirtualAccountProcedures } from './virtual-accounts.ts'

/** Returns the procedures of an authority's console. */
export const createAuthorityProcedures = (authority: Authority): Procedures => ({
  ...createOverviewProcedures(authority),
  ...createVirtualAccountProcedures(authority),
  ...createTokenProcedures(authority),
  ...createLicenseProcedures(authority),
  ...createInstanceProcedures(authority),
  ...createEventProcedures(authority),
  ...createAlertProcedures(authority),
  ...createNotificationProcedures(authority),
  ...createReportProcedures(authority),
  ...createReservationProcedures(authority),
  ...createOrderProcedures(authority),
  ...createSatelliteProcedures(authority),
  ...createSyncProcedures(authority),
  ...createMailProcedures(authority),
})
