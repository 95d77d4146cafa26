import { accountEndpoints } from './accounts.ts'
import { alertEndpoints } from './alerts.ts'
import type { Endpoint } from './endpoint.ts'
import { deviceEndpoints } from './devices.ts'
import { transferEndpoints } from './license-transfer.ts'
import { licenseEndpoints } from './licenses.ts'
import { reservationEndpoints } from './reservations.ts'
import { summaryEndpoints } from './summaries.ts'
import { tokenEndpoints } from './tokens.ts'

export const endpoints: readonly Endpoint[] = [
  ...accountEndpoints,
  ...tokenEndpoints,
  ...licenseEndpoints,
  ...transferEndpoints,
  ...summaryEndpoints,
  ...deviceEndpoints,
  ...reservationEndpoints,
  ...alertEndpoints,
]
