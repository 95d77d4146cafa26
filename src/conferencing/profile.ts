import { defineProfile, type ProductProfile } from '../core/profile.ts'
import { HOUR } from '../core/time.ts'

/** Profile of a conferencing server (Cisco Webex Meetings Server planning guide, "Licenses"). */
export const conferencingProfile: ProductProfile = defineProfile({
  name: 'conferencing',
  tags: [
    { tag: 'HOST', name: 'Host License', description: 'Permanent host license, per host' },
    {
      tag: 'SYS-XL',
      name: 'Extended Capacity',
      description: 'Large deployment extended from 2000 to 4000 ports',
    },
    {
      tag: 'MDC-SMALL',
      name: 'Multi-data Center, small',
      description: 'Multi-data center, 250 concurrent users',
    },
    {
      tag: 'MDC-MEDIUM',
      name: 'Multi-data Center, medium',
      description: 'Multi-data center, 800 concurrent users',
    },
    {
      tag: 'MDC-LARGE',
      name: 'Multi-data Center, large and extra large',
      description: 'Multi-data center, 2000 concurrent users and more',
    },
  ],
  module: {
    name: 'conferencing',
    settings: {
      perHostTag: 'HOST',
      deployment: {
        extendedTag: 'SYS-XL',
        dataCenterTags: { small: 'MDC-SMALL', medium: 'MDC-MEDIUM', large: 'MDC-LARGE' },
      },
      maxConcurrentMeetings: 2,
      maxMeetingDuration: 24 * HOUR,
    },
  },
  // Planning guide, "Upgrade SKUs for Cisco Webex Meetings Server Release 4.0".
  skus: [
    {
      sku: 'CWMS-USRUG-K9',
      description: 'User Licenses - Upgrade SKU, per host license',
      grants: { kind: 'licenses', tag: 'HOST' },
    },
    {
      sku: 'CWMS4-UPG-MG-K9',
      description: '4.x SW Kit - Upgrade & Migrations Only, unrestricted (K9)',
      grants: { kind: 'version', version: '4' },
    },
    {
      sku: 'CWMS4-UGMG-UAK9',
      description: '4.x SW Kit Audio Unencrypt - Upgrade & Migrations Only, non-encrypted audio (K7)',
      grants: { kind: 'version', version: '4' },
    },
    {
      sku: 'CWMS-MD-S-UG-S-K9',
      description: 'Small MDC (capacity 250 concurrent users) - Upgrade SKU',
      grants: { kind: 'licenses', tag: 'MDC-SMALL' },
    },
    {
      sku: 'CWMS-MD-M-UG-S-K9',
      description: 'Medium MDC (capacity 800 concurrent users) - Upgrade SKU',
      grants: { kind: 'licenses', tag: 'MDC-MEDIUM' },
    },
    {
      sku: 'CWMS-MD-L-UG-S-K9',
      description: 'Large & XL MDC (capacity 2000+ concurrent users) - Upgrade SKU',
      grants: { kind: 'licenses', tag: 'MDC-LARGE' },
    },
    {
      sku: 'CWMS-XL-UG-S-K9',
      description: 'Large capacity license for 4000 port - Upgrade SKU',
      grants: { kind: 'licenses', tag: 'SYS-XL' },
    },
  ],
})
