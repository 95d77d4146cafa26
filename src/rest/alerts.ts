import { z } from 'zod'
import { type AlertDocument, type AlertType, SEVERITIES } from '../authority/alerts/alerts.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV2Routes } from './routes.ts'
import {
  formatAlertDate,
  outcomeSchema,
  pageFields,
  toOkStatus,
  stringListField,
  virtualAccountsField,
} from './fields.ts'
import { selectVirtualAccounts } from './access-control.ts'

/** Maximum number of alerts, also for a `limit` of -1. */
const MAX_ALERTS = 1_000

/** Alert names of Cisco Smart Software Manager. Other alerts have the names of this authority. */
const MESSAGE_TYPES: Partial<Record<AlertType, string>> = {
  'agreement-pending': 'Smart Licensing Agreement Pending',
  'insufficient-licenses': 'Insufficient Licenses',
  'licenses-expiring': 'Licenses Expiring',
  'licenses-expired': 'Licenses Expired',
  'reserved-license-expired': 'Reserved License Expired',
  'update-not-confirmed': 'Authorization Pending',
  'instance-failed-to-connect': 'Product Instance Failed to Connect',
  'instance-failed-to-renew': 'Product Instance Failed to Renew',
  'synchronization-overdue': 'Synchronization Overdue',
  'satellite-sync-deadline': 'Upcoming Satellite Sync Deadline (30 Day)',
  'satellite-removed': 'Satellite Unregistered and Removed',
}
const formatMessageType = (type: AlertType): string =>
  MESSAGE_TYPES[type] ??
  type.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => (dash ? ' ' : '') + letter.toUpperCase())

const SEVERITY_LABELS = { major: 'Major', minor: 'Minor', informational: 'Informational' } as const

const GLOBAL_ALERT_TYPES: readonly AlertType[] = ['order-without-account', 'mail-not-sent']
const TERM_ALERT_TYPES: readonly AlertType[] = ['licenses-expiring', 'licenses-expired']
const LICENSE_ALERT_TYPES: readonly AlertType[] = ['insufficient-licenses', ...TERM_ALERT_TYPES]

const getSourceType = ({ instanceId, satellite, virtualAccount, type }: AlertDocument): string =>
  instanceId !== null
    ? 'Product Instance'
    : LICENSE_ALERT_TYPES.includes(type)
      ? 'Virtual Account'
      : satellite !== null
        ? 'Satellite'
        : virtualAccount !== null
          ? 'Virtual Account'
          : 'Smart Account'

/** Formats the deadline of an alert. An alert with a past deadline, or with none, is due now. */
const formatActionDue = ({ actionDue: due }: AlertDocument, { at }: Pick<RestCall, 'at'>): string =>
  due === null || Date.parse(due) <= at ? 'Now' : formatAlertDate(due)

export const alertEndpoints = [
  createEndpoint({
    name: 'alerts',
    method: 'POST',
    urls: [
      ...sharedRoutes('/accounts/:domain/alerts'),
      ...cloudV2Routes('/licensing/v1/account/:domain/get-alerts'),
    ],
    scope: 'read',
    summary: 'Returns the alerts, the most urgent first.',
    schema: {
      body: z
        .object({
          virtualAccounts: virtualAccountsField,
          severity: stringListField(z.string().max(32), 10),
          ...pageFields,
        })
        .default({ limit: 50, offset: 0 }),
      response: outcomeSchema.extend({
        totalRecords: z.int(),
        alerts: z.array(
          z.object({
            virtualAccount: z.string(),
            message: z.string(),
            license: z.string(),
            severity: z.enum(['Major', 'Minor', 'Informational']),
            messageType: z.string(),
            licenseStartDate: z.string(),
            licenseEndDate: z.string(),
            actionDue: z.string(),
            source: z.string(),
            sourceType: z.string(),
            productInstanceHostName: z.string(),
            satelliteName: z.string(),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { authority, account, caller, body } = call
      const virtualAccounts =
        (body.virtualAccounts ?? []).length > 0
          ? await selectVirtualAccounts(call, body.virtualAccounts)
          : undefined
      const wanted = (body.severity ?? []).map((text) => text.toLowerCase())
      const { alerts: page, counts } = await authority.operations.alerts.page(
        { account, virtualAccount: caller.virtualAccount ?? undefined },
        {
          virtualAccounts,
          ...(wanted.length > 0 && { severities: SEVERITIES.filter((one) => wanted.includes(one)) }),
          isWanted: ({ type }) => caller.account === null || !GLOBAL_ALERT_TYPES.includes(type),
        },
        { skip: body.offset, limit: body.limit === -1 ? MAX_ALERTS : Math.min(body.limit, MAX_ALERTS) },
      )
      const ids = page.flatMap(({ instanceId }) => instanceId ?? [])
      const hosts = new Map(
        (await authority.instances.findById(ids, { account })).map(({ id, hostname }) => [id, hostname]),
      )
      const names = new Map(authority.licenses.profile.current.tags.map(({ tag, name }) => [tag, name]))
      return {
        ...toOkStatus('Alerts successfully read.'),
        totalRecords: counts.major + counts.minor + counts.informational,
        alerts: page.map((alert) => ({
          virtualAccount: alert.virtualAccount ?? '',
          message: alert.message,
          license: LICENSE_ALERT_TYPES.includes(alert.type) ? (names.get(alert.source) ?? alert.source) : '',
          severity: SEVERITY_LABELS[alert.severity],
          messageType: formatMessageType(alert.type),
          licenseStartDate: '',
          licenseEndDate:
            TERM_ALERT_TYPES.includes(alert.type) && alert.actionDue !== null
              ? formatAlertDate(alert.actionDue)
              : '',
          actionDue: formatActionDue(alert, call),
          source: LICENSE_ALERT_TYPES.includes(alert.type)
            ? (alert.virtualAccount ?? alert.source)
            : alert.source,
          sourceType: getSourceType(alert),
          productInstanceHostName: hosts.get(alert.instanceId ?? '') ?? '',
          satelliteName: alert.satellite ?? '',
        })),
      }
    },
  }),
]
