/** Values of the field `resource`, with the command that lists the resources of each kind. */
export const resources = {
  'api-client': 'api-client list',
  meeting: 'meeting list',
  notification: 'notification list',
  order: 'order list',
  'product-instance': 'instance list',
  'report-schedule': 'report schedule list',
  satellite: 'satellite list',
  sku: null,
  'smart-account': 'account list',
  transition: 'events',
  token: 'token list',
  user: 'user list',
  'virtual-account': 'virtual-account list',
  webhook: 'webhook list',
  'webhook-delivery': 'webhook failed',
} as const satisfies Record<string, string | null>

/** Kind of resource that an error concerns. */
export type Resource = keyof typeof resources

/** Checks whether a text is a kind of resource, for errors received from another process. */
export const isResource = (text: string): text is Resource => Object.hasOwn(resources, text)
