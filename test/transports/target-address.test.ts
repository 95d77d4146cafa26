import { describe, expect, it } from 'vitest'
import { isAddressAllowed } from '../../src/transports/target-address.ts'

describe('the authority connects on its own', () => {
  it.each([
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fe80::a9fe:a9fe%eth0',
    'fec0::1',
    'ff02::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::ffff:192.0.0.192',
    '::ffff:0.0.0.0',
    '::ffff:0:169.254.169.254',
    '::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::100.100.100.200',
    '64:ff9b:1::169.254.169.254',
    '64:ff9b:1:abcd::169.254.169.254',
    '64:ff9b:1:a9fe:a9:fe00::',
    '64:ff9b:1:a9:fe:a9fe::',
    '64:ff9b:1:1:a9:fea9:fe00:0',
    '2002:a9fe:a9fe::1',
    '2001:0:4136:e378:8000:63bf:5601:5601',
    'not an address',
  ])('not to %s', (address) => {
    expect(isAddressAllowed(address)).toBe(false)
  })

  it.each([
    '127.0.0.1',
    '::1',
    '10.0.0.1',
    '192.0.2.1',
    '192.0.1.1',
    '2001:db8::1',
    'fd20:ce::253',
    '::ffff:192.0.2.1',
    '64:ff9b::c000:201',
    '64:ff9b:1::c000:201',
    '2002:c000:201::1',
  ])('to %s', (address) => {
    expect(isAddressAllowed(address)).toBe(true)
  })
})
