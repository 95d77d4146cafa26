import { defineProfile } from 'smart-licensing-agent'

/** Profile of an invented router with three entitlement tags. */
export const profile = defineProfile({
  name: 'router',
  version: 1,
  tags: [
    { tag: 'GBIT', name: 'Throughput', description: 'One gigabit per second' },
    { tag: 'TUNNEL', name: 'Tunnel', description: 'One encrypted tunnel' },
    { tag: 'PORT', name: 'Port', description: 'One network port' },
  ],
  policies: {
    deniedActions: {
      'out-of-compliance': {
        actions: ['tunnel-open'],
        reason: 'More licenses are in use than were bought.',
      },
    },
  },
  skus: [{ sku: 'RT-TUNNEL', description: 'One tunnel', grants: { kind: 'licenses', tag: 'TUNNEL' } }],
})
